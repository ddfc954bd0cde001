"""The machines. As it is: this one. `pyinfra inventory.py deploy/full.py` sets them all up."""

lab = ["@local"]

# A lab: names or addresses, with settings for a single machine where it differs. Settings: group_data/all.py; of a
# whole group: group_data/<group>.py. Your own notes start with x_.
#
# lab = [
#     ("pc-01.lab", {"ssh_user": "ops"}),
#     ("pc-02.lab", {"ssh_user": "ops", "port": 8001, "x_room": "B3"}),  # another port
#     ("pc-03.lab", {"ssh_user": "ops", "max_model_len": 4096, "max_num_seqs": 2}),  # a 12 GB card
# ]
# servers = [
#     ("gpu-01.lab", {"ssh_user": "admin", "cuda_version": "none", "model": "/data/gpt-oss-20b"}),  # native Ubuntu
# ]

# Out of a file (README, "Many machines"): a spreadsheet saved as CSV, YAML, or an Ansible inventory (INI or YAML). This goes in place
# of `lab = ["@local"]`, which would set up this computer too.
#
# from deploy import hosts
#
# globals().update(hosts.groups("lab.csv"))
