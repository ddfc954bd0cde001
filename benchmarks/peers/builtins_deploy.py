"""The state of state.json by pyinfra's own operations, as its documentation uses them."""

import json
from pathlib import Path

from pyinfra.operations import apt, files, systemd

BUS = {"XDG_RUNTIME_DIR": "/run/user/1000"}
for item in json.loads(Path("state.json").read_text()):
    path, root = item.get("path", ""), item.get("owner", "root") == "root"
    match item["kind"]:
        case "packages":
            apt.packages(name="packages", packages=item["names"], _sudo=True)
        case "absent":
            apt.packages(name="no driver", packages=[item["name"]], present=False, _sudo=True)
        case "directory":
            files.directory(name=path, path=path, user=item["owner"], mode=item["mode"], _sudo=root)
        case "file":
            files.put(name=path, src=item["source"], dest=path, user=item["owner"], mode=item["mode"], _sudo=root)
        case "link":
            files.link(name=path, path=path, target=item["target"])
        case "line":
            files.line(name=path, path=path, line=item["match"], replace=item["line"], _sudo=True)
        case "linger":
            files.file(name="linger", path=f"/var/lib/systemd/linger/{item['user']}", _sudo=True)
        case "service":
            systemd.service(name="service", service=item["name"], running=True, enabled=True, user_mode=True, _env=BUS)
