"""A vLLM plugin that lets gpt-oss-20b load and serve on small cards. It changes no answer, only where bytes lie.

Environment VLLM_WORKSTATION_PLUGIN names the parts to switch on, such as `embedding,repack,load,rope`; unset or empty: none.
"""
import importlib.metadata
import os

from vllm_workstation_plugin.switches import PARTS, PROVEN, asked, is_proven

SWITCH = "VLLM_WORKSTATION_PLUGIN"


def register() -> None:
    """What vLLM calls in each of its processes, maybe more than once (entry point group vllm.general_plugins)."""
    wanted, unknown = asked(os.environ.get(SWITCH, ""))
    if not wanted and not unknown:
        return
    from vllm_workstation_plugin.log import logger

    if unknown:
        logger.warning("vllm-workstation-plugin: %s is none of %s: ignored", ", ".join(unknown), ", ".join(PARTS))
    version = importlib.metadata.version("vllm")
    if not is_proven(version):
        logger.warning("vllm-workstation-plugin: off: proven on vLLM %s, this is %s", ", ".join(PROVEN), version)
        return
    install(wanted)


def install(wanted: tuple[str, ...]) -> None:
    """Switch the wanted parts on, each by itself: one that does not fit this vLLM stays off and says so."""
    from vllm_workstation_plugin import embedding, load, memory, repack, rope
    from vllm_workstation_plugin.log import logger
    from vllm_workstation_plugin.patching import Unexpected, replace

    patches = {"embedding": embedding.PATCHES, "repack": repack.PATCHES, "load": load.PATCHES, "rope": rope.PATCHES}
    for part in wanted:
        try:
            replace((*patches[part], *memory.PATCHES))
        except Unexpected as problem:
            logger.warning("vllm-workstation-plugin: %s is off: %s", part, problem)
        else:
            logger.info("vllm-workstation-plugin: %s is on", part)
