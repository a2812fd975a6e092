/**
 * Optimizers as graph code: a function from gradients to the next value of every variable, moments included.
 */
import { reshape } from "./broadcast.ts";
import { add, divide, exp, minimum, multiply, scale, sqrt, subtract } from "./elementwise.ts";
import { reduceSumSquare } from "./reduce.ts";
import { scalar, sizeOf, type Tensor, type Variable, variable } from "./tensor.ts";

/** After the run, `variable` holds the value of `next`. */
export interface Update {
  readonly variable: Variable;
  readonly next: Tensor;
}

export interface Trained {
  readonly parameter: Variable;
  readonly gradient: Tensor;
  /** Times the learning rate; default 1. */
  readonly rateFactor?: number;
  /** Weight decay per unit of learning rate, decoupled: p shrinks by rate * decay * p. Default 0. */
  readonly decay?: number;
}

function zeros(suffix: string, like: Variable): Variable {
  return variable(`${like.source.name}.${suffix}`, like.shape, () => new Float32Array(sizeOf(like.shape)));
}

/** p - rate * (factor * direction + decay * p), numbers multiplied before weights: (1 - rate decay) p - (rate factor) direction */
function step(trained: Trained, rate: Tensor, direction: Tensor, factor = scalar(1)): Update {
  const { parameter, rateFactor = 1, decay = 0 } = trained;
  const ownRate = scale(rate, rateFactor);
  const kept = decay === 0 ? parameter : multiply(parameter, subtract(scalar(1), scale(ownRate, decay)));
  return { variable: parameter, next: subtract(kept, multiply(direction, multiply(ownRate, factor))) };
}

/**
 * Stochastic gradient descent with Nesterov momentum: v <- m v + g, p <- p - rate (g + m v + decay p).
 *
 * @param rate scalar
 * @see Sutskever et al. (ICML 2013), in the form that PyTorch uses; weight decay is decoupled as in Loshchilov and Hutter (2019)
 */
export function sgd(trained: readonly Trained[], rate: Tensor, { momentum = 0.9 } = {}): Update[] {
  return trained.flatMap((one) => {
    const velocity = zeros("velocity", one.parameter);
    const next = add(scale(velocity, momentum), one.gradient);
    return [{ variable: velocity, next }, step(one, rate, add(one.gradient, scale(next, momentum)))];
  });
}

/**
 * AdamW: m <- b1 m + (1 - b1) g, s <- b2 s + (1 - b2) g^2, p <- p - rate (m^ / (sqrt(s^) + epsilon) + decay p),
 * where ^ divides by 1 - b^t, t being the count of steps.
 *
 * @param rate scalar
 * @param name of the variable that counts the steps
 * @see Loshchilov and Hutter, "Decoupled weight decay regularization" (ICLR 2019)
 */
export function adamW(
  trained: readonly Trained[],
  rate: Tensor,
  { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, name = "adam.step" } = {},
): Update[] {
  const count = variable(name, [], Float32Array.of(0));
  const t = add(count, scalar(1));
  const correction = (beta: number): Tensor => subtract(scalar(1), exp(scale(t, Math.log(beta))));
  const [correction1, correction2] = [correction(beta1), correction(beta2)];
  // m^ / (sqrt(s^) + epsilon) with both corrections taken out of it, so that they are numbers and not passes over every weight.
  const ratio = divide(sqrt(correction2), correction1);
  const scaledEpsilon = scale(sqrt(correction2), epsilon);
  const updates = trained.flatMap((one) => {
    const [first, second] = [zeros("mean", one.parameter), zeros("square", one.parameter)];
    const mean = add(scale(first, beta1), scale(one.gradient, 1 - beta1));
    const square = add(scale(second, beta2), scale(multiply(one.gradient, one.gradient), 1 - beta2));
    const denominator = add(sqrt(square), scaledEpsilon);
    return [
      { variable: first, next: mean },
      { variable: second, next: square },
      step(one, rate, divide(mean, denominator), ratio),
    ];
  });
  return [{ variable: count, next: t }, ...updates];
}

/**
 * All gradients times min(1, limit / norm), norm being the root of the sum of all their squares. Pascanu et al. (2013).
 *
 * @returns also `squares`, the sum of the squares of each gradient
 */
export function clipByGlobalNorm(
  gradients: readonly Tensor[],
  limit: number,
): { clipped: Tensor[]; norm: Tensor; squares: Tensor[] } {
  const squares = gradients.map((gradient) => reduceSumSquare(reshape(gradient, [sizeOf(gradient.shape)])));
  const norm = sqrt(squares.reduce((sum, square) => add(sum, square)));
  const factor = minimum(scalar(1), divide(scalar(limit), add(norm, scalar(1e-6))));
  return { clipped: gradients.map((gradient) => multiply(gradient, factor)), norm, squares };
}

/**
 * Exponential moving average: average <- decay * average + (1 - decay) * next value.
 * It starts at the variable's own first value.
 *
 * @param decay scalar in [0, 1): a small one early on lets the average forget the start
 */
export function movingAverages(updates: readonly Update[], decay: Tensor): Update[] {
  return updates.map(({ variable: followed, next }) => {
    const average = variable(`${followed.source.name}.average`, followed.shape, followed.source.initial);
    return { variable: average, next: add(multiply(average, decay), multiply(next, subtract(scalar(1), decay))) };
  });
}
