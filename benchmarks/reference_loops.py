"""The networks of chapters 4.1 and 4.4 as plain loops, the slow way the tutorial teaches them.

They are what the fast networks are measured against, in time and in numbers:
chapter 4.1 visits every unit and every weight in Python, chapter 4.4 passes one
column vector at a time through the network. Written from the method, not for speed.
"""

import numpy as np


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


class UnitLoops:
    """A two-layer sigmoid network whose every sum is a Python loop.

    Args:
        hidden: (n_inputs + 1, n_hidden) weights, the bias last; copied.
        output: (n_hidden, n_outputs) weights; copied.
    """

    def __init__(self, hidden, output):
        self.hidden = np.array(hidden)
        self.output = np.array(output)
        self.past_hidden = np.zeros(self.hidden.shape)
        self.past_output = np.zeros(self.output.shape)
        self.n_inputs, self.n_hidden = self.hidden.shape
        self.n_outputs = self.output.shape[1]

    def activate(self, row):
        self.inputs = [*row, 1.0]
        self.hidden_units = []
        for j in range(self.n_hidden):
            total = 0.0
            for i in range(self.n_inputs):
                total += self.inputs[i] * self.hidden[i][j]
            self.hidden_units.append(sigmoid(total))
        self.output_units = []
        for k in range(self.n_outputs):
            total = 0.0
            for j in range(self.n_hidden):
                total += self.hidden_units[j] * self.output[j][k]
            self.output_units.append(sigmoid(total))
        return self.output_units

    def learn(self, targets, learning_rate, momentum, momentum_kind):
        """One step towards the targets of the row activated last; returns its error."""
        output_delta = []
        for k in range(self.n_outputs):
            unit = self.output_units[k]
            output_delta.append((unit - unit**2) * (targets[k] - unit))
        hidden_delta = []
        for j in range(self.n_hidden):
            total = 0.0
            for k in range(self.n_outputs):
                total += output_delta[k] * self.output[j][k]
            unit = self.hidden_units[j]
            hidden_delta.append((unit - unit**2) * total)
        layers = (
            (self.output, self.past_output, self.hidden_units, output_delta),
            (self.hidden, self.past_hidden, self.inputs, hidden_delta),
        )
        for weights, past, values, delta in layers:
            for i in range(len(values)):
                for j in range(len(delta)):
                    gradient = delta[j] * values[i]
                    update = learning_rate * gradient + momentum * past[i][j]
                    weights[i][j] += update
                    past[i][j] = gradient if momentum_kind == "last_gradient" else update
        error = 0.0
        for k in range(self.n_outputs):
            error += 0.5 * (targets[k] - self.output_units[k]) ** 2
        return error

    def train(
        self, x, y, iterations, learning_rate=0.5, momentum=0.1, momentum_kind="last_gradient"
    ):
        """Learn all rows in turn, `iterations` times; returns the error of each iteration."""
        errors = []
        for _ in range(iterations):
            error = 0.0
            for row, target in zip(x, y):
                self.activate(row)
                error += self.learn([target], learning_rate, momentum, momentum_kind)
            errors.append(error)
        return np.array(errors)

    def predict(self, x):
        """(n, n_outputs) activations."""
        return np.array([self.activate(row) for row in x])


class SampleLoops:
    """A feed-forward sigmoid network that learns one column vector at a time.

    Args:
        weights: (n_in, n_out) arrays; copied, and held as (n_out, n_in).
        biases: (n_out,) arrays; copied, and held as columns.
    """

    def __init__(self, weights, biases):
        self.weights = [np.array(weight.T, order="C") for weight in weights]
        self.biases = [bias.reshape(-1, 1).copy() for bias in biases]

    def gradients(self, image, target):
        """The gradients of half the squared miss of one sample, per layer: weights, biases."""
        sums, activations = [], [image]
        for weight, bias in zip(self.weights, self.biases):
            sums.append(weight @ activations[-1] + bias)
            activations.append(sigmoid(sums[-1]))
        weight_gradients, bias_gradients = [], []
        miss = activations[-1] - target
        for layer in reversed(range(len(self.weights))):
            slope = sigmoid(sums[layer]) * (1.0 - sigmoid(sums[layer]))
            delta = miss * slope
            weight_gradients.insert(0, delta @ activations[layer].T)
            bias_gradients.insert(0, delta)
            miss = self.weights[layer].T @ delta
        return weight_gradients, bias_gradients

    def learn(self, samples, learning_rate):
        """One step on a mini-batch, a list of (image column, target column)."""
        weight_sums = [np.zeros(weight.shape) for weight in self.weights]
        bias_sums = [np.zeros(bias.shape) for bias in self.biases]
        for image, target in samples:
            weight_gradients, bias_gradients = self.gradients(image, target)
            weight_sums = [total + part for total, part in zip(weight_sums, weight_gradients)]
            bias_sums = [total + part for total, part in zip(bias_sums, bias_gradients)]
        step = learning_rate / len(samples)
        self.weights = [w - step * total for w, total in zip(self.weights, weight_sums)]
        self.biases = [b - step * total for b, total in zip(self.biases, bias_sums)]

    def train_epoch(self, samples, batch_size, learning_rate, permutation):
        """One epoch over a list of (image column, target column) in the order given."""
        shuffled = [samples[row] for row in permutation]
        for start in range(0, len(shuffled), batch_size):
            self.learn(shuffled[start : start + batch_size], learning_rate)

    def difference(self, weights, biases):
        """The largest difference from other parameters of the same shapes."""
        pairs = [*zip(self.weights, weights), *zip(self.biases, biases)]
        return max(float(np.abs(ours.T - theirs).max()) for ours, theirs in pairs)


def as_samples(images, labels, scale, n_classes=10):
    """The list that `SampleLoops` learns from: float64 columns and one-hot columns."""
    units = np.eye(n_classes)
    return [
        ((image * np.float64(scale)).reshape(-1, 1), units[label].reshape(-1, 1))
        for image, label in zip(images, labels)
    ]
