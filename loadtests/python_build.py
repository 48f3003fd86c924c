"""Which Python the figures are of: a build that no profile guided is a quarter slower."""

import platform
import sysconfig

__all__ = ["is_profile_guided", "python_build"]


def python_build() -> str:
    """Return version, compiler, and whether the build was guided by a profile, as one line."""
    guided = is_profile_guided(sysconfig.get_config_vars())
    kind = "profile-guided" if guided else "not profile-guided"
    return f"{platform.python_implementation()} {platform.python_version()}, {kind}, {platform.python_compiler()}"


def is_profile_guided(variables: "dict[str, object]") -> bool:
    """Return whether the variables of a build say that it was guided by a profile (PGO).

    `--enable-optimizations` asks for it. Debian's packages run the profiled build themselves, and blank the flag that
    configure always writes, so that extensions are not built with it.
    """
    return "--enable-optimizations" in str(variables.get("CONFIG_ARGS")) or variables.get("PGO_PROF_USE_FLAG") == ""
