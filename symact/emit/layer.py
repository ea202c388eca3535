"""Layer: the text of the emitted module's Keras layer."""

from __future__ import annotations

from symact.emit.function import definition_line, signature
from symact.emit.printer import wrapped_call
from symact.formula import Formula

# The parts of a trainable parameter that Keras knows how to serialize, each with its module.
_ROLES = ("initializer", "regularizer", "constraint")


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
    more: list[str] = []
    if len(formula.inputs) > 1:
        head = f'    """The activation {formula.name} as a layer.'
        count, names = len(formula.inputs), ", ".join(formula.inputs)
        more += [
            "",
            f"    Takes a list of {count} tensors, or one that is split along ``axis`` in {count}",
            f"    equal parts: {names}.",
        ]
    if formula.trainable:
        listed = ", ".join(f"``{name}``" for name in formula.trainable)
        more += [
            "",
            f"    Weights: {listed}.",
            "    They are scalars; with ``shared_axes`` they have the input's shape without the",
            "    batch axis, and 1 along those axes, as in ``keras.layers.PReLU``.",
        ]
    return [head + '"""'] if not more else [head, *more, '    """']


def _init(formula: Formula) -> list[str]:
    given = ["self", *signature(formula)]
    for name in formula.trainable:
        given += [f"{name}_{role}=None" for role in _ROLES]
    given += ["shared_axes=None"] if formula.trainable else []
    given += [f"axis={formula.axis}"] if len(formula.inputs) > 1 else []
    lines = [
        *definition_line("def __init__(", [*given, "**kwargs"], 4),
        "    super().__init__(**kwargs)",
        *(f'    self.{p.name} = _number("{p.name}", {p.name})' for p in formula.parameters),
    ]
    for name in formula.trainable:
        lines += [f"    self.{name}_default = self.{name}"]
        for role in _ROLES:
            lines += _kept_role(name, role)
    if formula.trainable:
        lines += [
            "    if isinstance(shared_axes, int):",
            "        shared_axes = [shared_axes]",
            "    self.shared_axes = None if shared_axes is None else list(shared_axes)",
        ]
    lines += ["    self.axis = axis"] if len(formula.inputs) > 1 else []
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
        "        if self.shared_axes is None:",
        "            shape = ()",
        "        else:",
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
            "            shape=shape,",
            f"            initializer=self.{name}_initializer or start,",
            f"            regularizer=self.{name}_regularizer,",
            f"            constraint=self.{name}_constraint,",
            "            autocast=False,  # computed in float32 at least, so kept so",
            "        )",
        ]
    return [*lines, "        super().build(input_shape)"]


def _call(formula: Formula) -> list[str]:
    keywords = [f"{p.name}=self.{p.name}" for p in formula.parameters]
    if len(formula.inputs) == 1:
        passed = ", ".join(["inputs", *keywords])
        return ["", "    def call(self, inputs):", f"        return {formula.name}({passed})"]
    passed = ", ".join(["*inputs", *keywords])
    count = len(formula.inputs)
    return [
        "",
        "    def call(self, inputs):",
        "        if not isinstance(inputs, (list, tuple)):",
        f"            inputs = tf.split(inputs, {count}, self.axis)",
        f"        return {formula.name}({passed})",
    ]


def _output_shape(formula: Formula) -> list[str]:
    if len(formula.inputs) == 1:
        return [
            "",
            "    def compute_output_shape(self, input_shape):",
            "        return input_shape",
        ]
    count = len(formula.inputs)
    return f"""
    def _shapes(self, input_shape):
        if input_shape and isinstance(input_shape[0], (list, tuple)):
            return [tuple(shape) for shape in input_shape]
        shape = list(input_shape)
        if shape[self.axis] is not None:
            if shape[self.axis] % {count}:
                raise ValueError(
                    f"{formula.class_name} splits axis {{self.axis}} in {count}, "
                    f"but it has {{shape[self.axis]}} entries"
                )
            shape[self.axis] //= {count}
        return [tuple(shape)] * {count}

    def compute_output_shape(self, input_shape):
        shape, *others = map(tf.TensorShape, self._shapes(input_shape))
        for other in others:
            shape = tf.broadcast_static_shape(shape, other)
        return tuple(shape)
""".rstrip().split("\n")


def _config(formula: Formula) -> list[str]:
    lines = ["", "    def get_config(self):", "        config = super().get_config()"]
    for parameter in formula.parameters:
        own = f"{parameter.name}_default" if parameter.trainable else parameter.name
        lines.append(f'        config["{parameter.name}"] = self.{own}')
    for name in formula.trainable:
        for role in _ROLES:
            head = f'config["{name}_{role}"] = keras.{role}s.serialize('
            lines += [f"        {line}" for line in wrapped_call(head, [f"self.{name}_{role}"], 8)]
    lines += ['        config["shared_axes"] = self.shared_axes'] if formula.trainable else []
    lines += ['        config["axis"] = self.axis'] if len(formula.inputs) > 1 else []
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
