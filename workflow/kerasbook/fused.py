"""Keras's RMSprop, Adadelta and Adam with one TensorFlow kernel per variable and step.

Keras 3 writes a step as a chain of whole-array operations, each of which reads and writes
every weight. TensorFlow has kernels that do the same arithmetic in one pass; on a CPU, where
a wide dense layer or an embedding makes the step as dear as the gradient, they take a third of
the time. Formulas and state are Keras's own; with another backend, or with settings that the
kernels lack, so is the code.

One thing differs, and is meant to: the gradient of an embedding. Keras 3 (3.15 with TensorFlow)
squares what each place of a batch contributes to a word's gradient and adds the squares. The
papers, Keras 1 and these kernels add up the gradient and square the sum, so a word that stands
in a batch twice moves as its gradient says.
"""

from typing import Any

import keras
from keras import ops


def _fused(optimizer: Any, unsupported: bool) -> bool:
    return keras.backend.backend() == "tensorflow" and not unsupported


def _handle(variable: Any) -> Any:
    """What a kernel takes: Keras hands over its own variables, and TensorFlow's."""
    value = variable.value if isinstance(variable, keras.Variable) else variable
    return value.handle


class _WholeGradients:
    """Makes one array of the gradient of an embedding, which comes in a slice for each place."""

    def apply(self, grads: list, trainable_variables: list | None = None) -> None:
        """One step of all variables; clipping sees the whole gradients, too."""
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            grads = [None if one is None else tf.convert_to_tensor(one) for one in grads]
        super().apply(grads, trainable_variables)


class FusedRMSprop(_WholeGradients, keras.optimizers.RMSprop):
    """`keras.optimizers.RMSprop` (Hinton 2012), a step in one pass."""

    def build(self, var_list: list) -> None:
        """Make the state: the mean square of Keras, and the kernel's own last step."""
        if self.built:
            return
        super().build(var_list)
        if _fused(self, self.centered) and not self.momentum:
            self._momentums = self.add_optimizer_variables(var_list, "momentum")

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One step of one variable."""
        if not _fused(self, self.centered):
            super().update_step(gradient, variable, learning_rate)
            return
        import tensorflow as tf

        index = self._get_variable_index(variable)
        tf.raw_ops.ResourceApplyRMSProp(
            var=_handle(variable),
            ms=_handle(self._velocities[index]),
            mom=_handle(self._momentums[index]),
            lr=ops.cast(learning_rate, variable.dtype),
            rho=self.rho,
            momentum=self.momentum,
            epsilon=self.epsilon,
            grad=gradient,
        )


class FusedAdadelta(_WholeGradients, keras.optimizers.Adadelta):
    """`keras.optimizers.Adadelta` (Zeiler 2012), a step in one pass."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One step of one variable."""
        if not _fused(self, False):
            super().update_step(gradient, variable, learning_rate)
            return
        import tensorflow as tf

        index = self._get_variable_index(variable)
        tf.raw_ops.ResourceApplyAdadelta(
            var=_handle(variable),
            accum=_handle(self._accumulated_grads[index]),
            accum_update=_handle(self._accumulated_delta_vars[index]),
            lr=ops.cast(learning_rate, variable.dtype),
            rho=self.rho,
            epsilon=self.epsilon,
            grad=gradient,
        )


class FusedAdam(_WholeGradients, keras.optimizers.Adam):
    """`keras.optimizers.Adam` (Kingma and Ba 2015), a step in one pass."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One step of one variable."""
        if not _fused(self, self.amsgrad):
            super().update_step(gradient, variable, learning_rate)
            return
        import tensorflow as tf

        index = self._get_variable_index(variable)
        number = ops.cast(self.iterations + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=_handle(variable),
            m=_handle(self._momentums[index]),
            v=_handle(self._velocities[index]),
            beta1_power=ops.power(ops.cast(self.beta_1, variable.dtype), number),
            beta2_power=ops.power(ops.cast(self.beta_2, variable.dtype), number),
            lr=ops.cast(learning_rate, variable.dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )


FUSED = {
    keras.optimizers.RMSprop: FusedRMSprop,
    keras.optimizers.Adadelta: FusedAdadelta,
    keras.optimizers.Adam: FusedAdam,
}


def fused(optimizer: Any) -> Any:
    """The same optimizer with steps in one pass, where there is one; else the optimizer itself."""
    kind = FUSED.get(type(optimizer))
    return optimizer if kind is None else kind.from_config(optimizer.get_config())
