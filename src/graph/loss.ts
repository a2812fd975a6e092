import { reduceSum } from "./broadcast.ts";
import { add, compare, exp, multiply, negate, scale, subtract } from "./elementwise.ts";
import { reduceMax, reduceMean } from "./reduce.ts";
import { differentiable, node, sameShape, scalar, show, stopGradient, type Tensor } from "./tensor.ts";

function checkSame(where: string, a: Tensor, b: Tensor): void {
  if (!sameShape(a.shape, b.shape))
    throw new RangeError(`${where}: two tensors of one shape expected, found ${show(a.shape)} and ${show(b.shape)}`);
}

/** x - log(sum(exp(x))) over the last axis, safe from overflow; dx = dy - exp(y) sum(dy) */
export function logSoftmax(x: Tensor): Tensor {
  const last = [x.shape.length - 1];
  const y = node("LogSoftmax", [x], { axis: -1 }, x.shape, x.type);
  return differentiable(y, [x], (dy) => [subtract(dy, multiply(exp(y), reduceSum(dy, last, true)))]);
}

/** exp(logSoftmax(x)) */
export function softmax(x: Tensor): Tensor {
  return exp(logSoftmax(x));
}

/**
 * Mean over the batch of -sum over classes of t log softmax(logits), with t = (1 - smoothing) targets + smoothing / K.
 *
 * @param logits [B, K]
 * @param targets [B, K] probabilities, one-hot for plain labels
 * @see Szegedy et al. (2016) for label smoothing
 */
export function crossEntropy(logits: Tensor, targets: Tensor, smoothing = 0): Tensor {
  checkSame("crossEntropy", logits, targets);
  const classes = logits.shape[1]!;
  const smooth = smoothing === 0 ? targets : add(scale(targets, 1 - smoothing), scalar(smoothing / classes));
  return negate(reduceMean(reduceSum(multiply(smooth, logSoftmax(logits)), [1])));
}

/**
 * Distillation: T^2 times the mean over the batch of KL(softmax(teacher / T) || softmax(student / T)).
 * No gradient flows to the teacher. T^2 keeps the gradient's size as T grows.
 *
 * @param student [B, K] logits
 * @param teacher [B, K] logits
 * @see Hinton et al., "Distilling the knowledge in a neural network" (2015)
 */
export function distillation(student: Tensor, teacher: Tensor, temperature = 1): Tensor {
  checkSame("distillation", student, teacher);
  const logTarget = logSoftmax(stopGradient(scale(teacher, 1 / temperature)));
  const logOutput = logSoftmax(scale(student, 1 / temperature));
  const perImage = reduceSum(multiply(exp(logTarget), subtract(logTarget, logOutput)), [1]);
  return scale(reduceMean(perImage), temperature * temperature);
}

/** error^2 / 2 up to |error| = delta, then delta (|error| - delta / 2); element by element. Huber (1964). */
export function huber(error: Tensor, delta = 1): Tensor {
  const clipped = node("Clip", [error, scalar(-delta), scalar(delta)], {}, error.shape);
  const y = multiply(clipped, subtract(error, scale(clipped, 0.5)));
  return differentiable(y, [error], (dy) => [multiply(dy, clipped)]);
}

/** Share of the batch whose largest logit is the target's. No gradient. @param logits [B, K] @param targets [B, K] one-hot */
export function accuracy(logits: Tensor, targets: Tensor): Tensor {
  checkSame("accuracy", logits, targets);
  const isLargest = compare(logits, "GreaterOrEqual", reduceMax(logits, [1], true));
  return reduceMean(reduceSum(multiply(isLargest, targets), [1]));
}
