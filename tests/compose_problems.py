"""Everything that the files of a deployment name and that is not there: what an engine would find out late."""

from tests import compose_code as code
from tests import compose_containers as containers
from tests.compose_file import DeploymentFiles

_CHECKS = (
    code.commands,
    code.variables,
    code.settings,
    code.packages,
    containers.health,
    containers.ports,
    containers.mounts,
    containers.places,
    containers.copies,
    containers.order,
    containers.images,
)


def problems(files: DeploymentFiles) -> list[str]:
    """A sentence for each; none where all is well."""
    # The other checks look into the images.
    return list(containers.targets(files)) or [problem for check in _CHECKS for problem in check(files)]
