"""Layer: the text of the emitted module's Keras layer."""

from __future__ import annotations

from symact.emit.function import definition_line, signature
from symact.emit.printer import wrapped_call
from symact.formula import WEIGHT_ROLES, Formula


def layer(formula: Formula) -> str:
    """The class: parameters as attributes or weights, shapes, config."""
    lines = [
        '@keras.saving.register_keras_serializable(package="symact")',
        f"class {formula.class_name}(keras.layers.Layer):",
        *_docstring(formula),
        "",
        *(f"    {line}" for line in _init(formula)),
        *_build(formula),
        *_call(formula),
        *_output_shape(formula),
        *_config(formula),
        *_from_config(formula),
    ]
    return "\n".join(lines)


def _docstring(formula: Formula) -> list[str]:
    head = f'    """The activation {formula.name} as a layer; input and output have one shape.'
    if formula.is_vector:
        head = f'    """The formula {formula.name} over ``axis`` as a layer.'
    more: list[str] = []
    if len(formula.inputs) > 1:
        kind = "formula" if formula.is_vector else "activation"
        head = f'    """The {kind} {formula.name} as a layer.'
        count, names = len(formula.inputs), ", ".join(formula.inputs)
        more += [
            "",
            f"    Takes a list of {count} tensors, or one that is split along ``axis`` in {count}",
            f"    equal parts: {names}.",
        ]
    if formula.trainable:
        more += ["", *_weights_note(formula)]
    return [head + '"""'] if not more else [head, *more, '    """']


def _weights_note(formula: Formula) -> list[str]:
    along = [f"``{name}``" for name in formula.trainable if name in formula.indexed]
    shared = [f"``{name}``" for name in formula.trainable if name not in formula.indexed]
    lines = [f"    Weights along ``axis``: {', '.join(along)}."] if along else []
    if shared:
        lines += [
            f"    Weights: {', '.join(shared)}.",
            "    They are scalars; with ``shared_axes`` they have the input's shape without the",
            "    batch axis, and 1 along those axes, as in ``keras.layers.PReLU``.",
        ]
    return lines


def _has_axis(formula: Formula) -> bool:
    return not formula.is_univariate


def _init(formula: Formula) -> list[str]:
    given = ["self", *signature(formula)]
    for name in formula.trainable:
        given += [f"{name}_{role}=None" for role in WEIGHT_ROLES]
    given += ["shared_axes=None"] if formula.trainable else []
    given += [f"axis={formula.axis}"] if _has_axis(formula) else []
    given += [] if formula.keeps_axis else ["keepdims=False"]
    lines = [
        *definition_line("def __init__(", [*given, "**kwargs"], 4),
        "    super().__init__(**kwargs)",
        *(f'    self.{p.name} = _number("{p.name}", {p.name})' for p in formula.parameters),
    ]
    for name in formula.trainable:
        lines += [f"    self.{name}_default = self.{name}"]
        for role in WEIGHT_ROLES:
            lines += _kept_role(name, role)
    if formula.trainable:
        lines += [
            "    if isinstance(shared_axes, int):",
            "        shared_axes = [shared_axes]",
            "    self.shared_axes = None if shared_axes is None else list(shared_axes)",
        ]
    lines += ["    self.axis = axis"] if _has_axis(formula) else []
    lines += [] if formula.keeps_axis else ["    self.keepdims = keepdims"]
    return [*lines, "    self.supports_masking = True"]


def _kept_role(name: str, role: str) -> list[str]:
    head = f"self.{name}_{role} = keras.{role}s.get("
    return [f"    {line}" for line in wrapped_call(head, [f"{name}_{role}"], 8)]


def _build(formula: Formula) -> list[str]:
    if not formula.trainable:
        return []
    lines = ["", "    def build(self, input_shape):"]
    if len(formula.inputs) > 1:
        lines += ["        shape = self._shapes(input_shape)[0][1:]"]
    else:
        lines += ["        shape = tuple(input_shape)[1:]"]
    lines += [
        *_along(formula),
        "        if self.shared_axes is None:",
        "            shape = ()",
        "        else:",
        *_shared_over_axis(formula),
        "            shared = [a - 1 if a > 0 else a % len(shape) for a in self.shared_axes]",
        "            shape = tuple(1 if a in shared else n for a, n in enumerate(shape))",
        "        if None in shape:",
        "            raise ValueError(",
        f'                f"{formula.class_name} has weights of shape {{shape}}: name the axes "',
        '                "of unknown length in shared_axes"',
        "            )",
    ]
    for name in formula.trainable:
        lines += [
            f"        start = keras.initializers.Constant(self.{name}_default)",
            f"        self.{name} = self.add_weight(",
            f'            name="{name}",',
            f"            shape={'along' if name in formula.indexed else 'shape'},",
            f"            initializer=self.{name}_initializer or start,",
            f"            regularizer=self.{name}_regularizer,",
            f"            constraint=self.{name}_constraint,",
            "            autocast=False,  # computed in float32 at least, so kept so",
            "        )",
        ]
    return [*lines, "        super().build(input_shape)"]


def _along(formula: Formula) -> list[str]:
    """The shape of weights with an element for each of the axis."""
    if not formula.indexed.intersection(formula.trainable):
        return []
    return [
        "        axis = self.axis % (len(shape) + 1) - 1",
        "        along = tuple(n if a == axis else 1 for a, n in enumerate(shape))",
    ]


def _shared_over_axis(formula: Formula) -> list[str]:
    if not formula.is_vector:
        return []
    return [
        "            if self.axis % (len(shape) + 1) not in [",
        "                a % (len(shape) + 1) for a in self.shared_axes",
        "            ]:",
        "                raise ValueError(",
        '                    "weights without an index are shared over axis: "',
        '                    "name it in shared_axes, or give them an index in the formula"',
        "                )",
    ]


def _call(formula: Formula) -> list[str]:
    keywords = [f"{p.name}=self.{p.name}" for p in formula.parameters]
    if formula.is_vector:
        keywords += ["axis=self.axis", "mask=mask"]
        keywords += [] if formula.keeps_axis else ["keepdims=self.keepdims"]
    head = ["", f"    def call(self, inputs{', mask=None' if formula.is_vector else ''}):"]
    count = len(formula.inputs)
    given = "inputs" if count == 1 else "*inputs"
    first = "inputs" if count == 1 else "inputs[0]"
    if count > 1:
        head += [
            "        if not isinstance(inputs, (list, tuple)):",
            f"            inputs = tf.split(inputs, {count}, self.axis)",
        ]
    if count > 1 and formula.is_vector:
        head += [
            "        if isinstance(mask, (list, tuple)):",
            "            mask = mask[0]",
        ]
    if formula.is_vector:
        head += [f"        mask = _time_mask(mask, {first}, self.axis)"]
    call = wrapped_call(f"return {formula.name}(", [given, *keywords], 8)
    return [*head, *(f"        {line}" for line in call), *_mask_after(formula)]


def _mask_after(formula: Formula) -> list[str]:
    """A mask over the axis that is reduced ends there."""
    if formula.keeps_axis:
        return []
    return [
        "",
        "    def compute_mask(self, inputs, mask=None):",
        "        if isinstance(mask, (list, tuple)):",
        "            mask = mask[0]",
        "        if isinstance(inputs, (list, tuple)):",
        "            inputs = inputs[0]",
        "        rank = len(inputs.shape)",
        "        if mask is None or self.axis % rank < len(mask.shape):",
        "            return None",
        "        return mask",
    ]


def _output_shape(formula: Formula) -> list[str]:
    count = len(formula.inputs)
    lines = [] if count == 1 else _shapes(formula, count)
    lines += ["", "    def compute_output_shape(self, input_shape):"]
    shape = "input_shape"
    if count > 1:
        shape = "shape"
        lines += [
            "        shape, *others = map(tf.TensorShape, self._shapes(input_shape))",
            "        for other in others:",
            "            shape = tf.broadcast_static_shape(shape, other)",
        ]
    if formula.keeps_axis:
        return [*lines, f"        return {shape if count == 1 else f'tuple({shape})'}"]
    return [
        *lines,
        f"        shape = list({shape})",
        "        axis = self.axis % len(shape)",
        "        return tuple(shape[:axis] + [1] * self.keepdims + shape[axis + 1 :])",
    ]


def _shapes(formula: Formula, count: int) -> list[str]:
    return [
        "",
        "    def _shapes(self, input_shape):",
        "        if input_shape and isinstance(input_shape[0], (list, tuple)):",
        "            return [tuple(shape) for shape in input_shape]",
        "        shape = list(input_shape)",
        "        if shape[self.axis] is not None:",
        f"            if shape[self.axis] % {count}:",
        "                raise ValueError(",
        f'                    f"{formula.class_name} splits axis {{self.axis}} in {count}, "',
        '                    f"but it has {shape[self.axis]} entries"',
        "                )",
        f"            shape[self.axis] //= {count}",
        f"        return [tuple(shape)] * {count}",
    ]


def _config(formula: Formula) -> list[str]:
    lines = ["", "    def get_config(self):", "        config = super().get_config()"]
    for parameter in formula.parameters:
        own = f"{parameter.name}_default" if parameter.trainable else parameter.name
        lines.append(f'        config["{parameter.name}"] = self.{own}')
    for name in formula.trainable:
        for role in WEIGHT_ROLES:
            head = f'config["{name}_{role}"] = keras.{role}s.serialize('
            lines += [f"        {line}" for line in wrapped_call(head, [f"self.{name}_{role}"], 8)]
    lines += ['        config["shared_axes"] = self.shared_axes'] if formula.trainable else []
    lines += ['        config["axis"] = self.axis'] if _has_axis(formula) else []
    lines += [] if formula.keeps_axis else ['        config["keepdims"] = self.keepdims']
    return [*lines, '        config["formula"] = _FORMULA', "        return config"]


def _from_config(formula: Formula) -> list[str]:
    return [
        "",
        "    @classmethod",
        "    def from_config(cls, config):",
        "        config = dict(config)",
        '        saved = config.pop("formula", _FORMULA)',
        "        if saved != _FORMULA:",
        "            raise ValueError(",
        f'                f"this {formula.class_name} computes {{_FORMULA}}, but the model was "',
        '                f"saved with {saved}; load the module that was generated for it"',
        "            )",
        "        return cls(**config)",
    ]
