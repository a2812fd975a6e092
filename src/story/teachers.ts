/** Who can teach: a model folder, whose last exit answers, or anybody's ONNX file. */
import { loadModel } from "../model/model-folder.ts";
import { type OpenedNetwork, ownAnswer } from "../network/imported-network.ts";
import { buildStages, pictureOf, type StagedNetwork } from "../network/staged-network.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { TeacherNetwork } from "../training/teacher.ts";
import { openNetwork } from "./open-network.ts";

/**
 * @param path a model folder, or a file that ends in .onnx
 * @throws {UserError} if it is neither, or takes no pictures
 */
export async function loadTeacher(path: string, runtime: Runtime): Promise<TeacherNetwork> {
  if (/\.onnx$/i.test(path)) return fileTeacher(await openNetwork(path, { runtime }));
  const { network } = await loadModel(path);
  return stagedTeacher(network);
}

/** Somebody's network as it came. */
export function fileTeacher(network: OpenedNetwork): TeacherNetwork {
  const { name, labels, picture } = network;
  return { name, classes: labels, picture, answer: (images) => ownAnswer(network, images) };
}

/** The last exit of a network with exits. */
export function stagedTeacher(network: StagedNetwork): TeacherNetwork {
  const picture = pictureOf(network);
  return {
    name: network.name,
    classes: network.classes,
    picture,
    answer: (images) => buildStages(network, [images], "batchFirst").at(-1)!.logits,
  };
}
