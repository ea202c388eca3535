"""Page."""


def comparison_fragment(comparison: object) -> str:
    return ""


def page(comparison: object, compilation: object) -> str:
    return ""
