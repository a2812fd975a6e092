import { UserError } from "../errors.ts";
import { OPSET } from "../graph/older-opset.ts";

/** @throws {UserError} if the operators need a newer set than the one that is asked for */
export function opsetFor(least: number, given: number | undefined): number {
  const opset = given ?? least;
  if (Number.isInteger(opset) && opset >= least && opset <= OPSET) return opset;
  throw new UserError(
    `export: an operator set (opset) of ${least} to ${OPSET} expected for this network, found ${opset}; leave it out for the oldest`,
  );
}
