/** The public API in a browser, on `onnxruntime-web`: a trained model that stops as early as it may, and how to train one. */

export { createSamples, type Dataset, type ImageShape, type Samples } from "./dataset/dataset.ts";
export { type ShapesOptions, shapesDataset } from "./dataset/shapes.ts";
export { UserError } from "./errors.ts";
export type { EvaluationFigures } from "./evaluation/figures.ts";
export { type Suspect, suspects } from "./evaluation/suspects.ts";
export { answersOf } from "./exits/answers.ts";
export { computeExitTable } from "./exits/exit-logits.ts";
export type { ExitCosts, ExitTable } from "./exits/exit-table.ts";
export { encodeTableFile } from "./exits/table-file.ts";
export { buildExport } from "./export/build.ts";
export type {
  BatchOptions,
  Classification,
  ClassifyOptions,
  ExitTrace,
  StoppedBy,
} from "./inference/adaptive-classifier.ts";
export type { RawImage } from "./inference/images.ts";
export { type Occlusion, occlusion } from "./inference/occlusion.ts";
export { openWholeWay, type WholeWay } from "./inference/whole-way.ts";
export { type Model, modelFiles } from "./model/model.ts";
export { readModel } from "./model/read-model.ts";
export { type Picture, pictureOf, type StagedNetwork } from "./network/staged-network.ts";
export { DQN_DEFAULTS, type DqnOptions, type DqnProgress } from "./policy/dqn.ts";
export type { LambdaPoint } from "./policy/lambda-calibration.ts";
export type { LearnedPolicy } from "./policy/learned-policy.ts";
export type { PreciseAnswers, SureAnswers } from "./policy/unsure.ts";
export type { Runtime } from "./runtime/runtime.ts";
export { createWebRuntime, type WebRuntimeOptions } from "./runtime/web.ts";
export { evaluate, evaluateInDetail, learnPolicy, trainNetwork } from "./story/any.ts";
export { ownSamples, type Taught, type TeachOptions, type TeachProgress, teach } from "./story/teach.ts";
export { AdaptiveClassifier, type ClassifierOptions, type Drawable, readImage, type WebImage } from "./story/web.ts";
export { builtInRecipe, type Recipe, type RecipeInput, recipeNames } from "./training/recipe.ts";
export type { TrainingProgress } from "./training/training-loop.ts";
export { VERSION } from "./version.ts";
