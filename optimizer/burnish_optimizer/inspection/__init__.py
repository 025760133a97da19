"""What a model is, in numbers: ops, parameters, arithmetic, memory, and which targets have its kernels."""
