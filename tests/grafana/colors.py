"""Contrast and difference of colors, also without one kind of color vision."""

Rgb = tuple[float, float, float]

# Simulation of color vision without one kind of cones. Machado, Oliveira and Fernandes 2009,
# https://doi.org/10.1109/TVCG.2009.113, severity 1, on linear RGB.
COLOR_VISION = {
    "all three": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "no red": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "no green": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "no blue": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}


def linear_rgb(color: str) -> Rgb:
    red, green, blue = (int(color[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return _linear_channel(red), _linear_channel(green), _linear_channel(blue)


def _linear_channel(channel: float) -> float:
    return float(channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4)


def simulate_vision(color: str, vision: str) -> Rgb:
    red, green, blue = (
        min(max(sum(a * b for a, b in zip(row, linear_rgb(color), strict=True)), 0), 1)
        for row in COLOR_VISION[vision]
    )
    return red, green, blue


def luminance(rgb: Rgb) -> float:
    return 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2]


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of WCAG, which requires at least 4.5."""
    dark, light = sorted((luminance(linear_rgb(one)), luminance(linear_rgb(other))))
    return (light + 0.05) / (dark + 0.05)


def color_difference(one: Rgb, other: Rgb) -> float:
    """Return the CIE 1976 color difference. A difference below 2.3 is not visible."""
    return float(sum((a - b) ** 2 for a, b in zip(to_lab(one), to_lab(other), strict=True)) ** 0.5)


def to_lab(rgb: Rgb) -> Rgb:
    red, green, blue = rgb
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883
    x, y, z = (_cube(part) for part in (x, luminance(rgb), z))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def _cube(value: float) -> float:
    return float(value ** (1 / 3) if value > 0.008856 else 7.787 * value + 16 / 116)


def ink(color: str) -> str:
    """Return the color of text that Grafana draws on a color.

    This is `getTextColorForAlphaBackground` of @grafana/ui 11.6 to 13.2, for opaque colors.
    """
    red, green, blue = (int(color[start : start + 2], 16) for start in (1, 3, 5))
    brightness = (299 * red + 587 * green + 114 * blue) / 1000
    return "#202226" if brightness > 180 else "#f7f8fa"
