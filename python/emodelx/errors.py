"""The exceptions of the package; each class carries the exit code of the command line."""


class EmodelxError(Exception):
    """Base of every error that a user can meet; the message is one line that says what to do."""

    exit_code = 1


class InputError(EmodelxError):
    """A file or an option is wrong."""

    exit_code = 2


class NothingBuildableError(EmodelxError):
    """The map holds nothing that can be built with confidence."""

    exit_code = 3


class ResourceError(EmodelxError):
    """Memory, disk or the requested device is not there."""

    exit_code = 4


class WeightsError(EmodelxError):
    """A weights file is missing, damaged or does not fit the network."""

    exit_code = 5


class DownloadError(EmodelxError):
    """A server cannot be reached, or what it sends is not whole."""

    exit_code = 5
