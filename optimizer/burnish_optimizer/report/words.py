"""Figures and warnings as people read them. Pure."""

NO_CALIBRATION = (
    "no calibration data: recipes that need the ranges of real activations, such as static INT8, "
    "are not tried. Give --calibration to allow them."
)


def seconds(count: float) -> str:
    """Seconds with the digits that matter."""
    return f"{count:.3f}" if count < 0.1 else f"{count:.2f}" if count < 10 else f"{count:.0f}"


def share(part: float) -> str:
    """A part of one in percent."""
    return f"{100 * part:.0f} %"


def large(count: float) -> str:
    """A count with its decimal unit: 1.23 G."""
    for factor, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(count) >= factor:
            return f"{count / factor:.3g} {unit}"
    return f"{count:.0f}"
