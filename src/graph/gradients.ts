import { add } from "./elementwise.ts";
import { scalar, show, type Tensor } from "./tensor.ts";

/**
 * Reverse-mode differentiation: d(loss)/d(target) for every target, as new symbolic tensors.
 *
 * Each tensor is visited after everything that uses it, so its gradient is complete when it is passed on.
 *
 * @param loss a scalar
 * @returns one tensor per target, of the target's shape
 * @throws {RangeError} if `loss` is not a scalar or does not depend on one of the targets
 */
export function gradients(loss: Tensor, targets: readonly Tensor[]): Tensor[] {
  if (loss.shape.length !== 0) throw new RangeError(`gradients: scalar loss expected, found ${show(loss.shape)}`);
  return pullBack(loss, scalar(1), targets);
}

/**
 * What `gradients` does from somewhere in the middle: d(loss)/d(target) for every target, given dy = d(loss)/dy.
 *
 * @throws {RangeError} if `y` does not depend on one of the targets
 */
export function pullBack(y: Tensor, dy: Tensor, targets: readonly Tensor[]): Tensor[] {
  const leading = tensorsLeadingTo(y, new Set(targets));
  const gradientOf = new Map<Tensor, Tensor>([[y, dy]]);
  for (const tensor of leading.reverse()) {
    const own = gradientOf.get(tensor);
    if (!own || !tensor.derivation) continue;
    const passed = tensor.derivation.backward(own);
    tensor.derivation.inputs.forEach((source, i) => {
      const gradient = passed[i];
      if (!gradient) return;
      const sofar = gradientOf.get(source);
      gradientOf.set(source, sofar ? add(sofar, gradient) : gradient);
    });
  }
  return targets.map((target, i) => {
    const gradient = gradientOf.get(target);
    if (!gradient)
      throw new RangeError(`gradients: loss does not depend on target ${i} of shape ${show(target.shape)}`);
    return gradient;
  });
}

/** Every tensor on a way from one of `targets` to `loss`, inputs before what is computed from them. */
function tensorsLeadingTo(loss: Tensor, targets: ReadonlySet<Tensor>): Tensor[] {
  const reaches = new Map<Tensor, boolean>();
  const ordered: Tensor[] = [];
  const visit = (tensor: Tensor): boolean => {
    const known = reaches.get(tensor);
    if (known !== undefined) return known;
    let found = targets.has(tensor);
    for (const source of tensor.derivation?.inputs ?? []) if (visit(source)) found = true;
    reaches.set(tensor, found);
    if (found) ordered.push(tensor);
    return found;
  };
  visit(loss);
  return ordered;
}
