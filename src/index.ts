/** The public API, in the order of the flow. */
export { createSamples, type Dataset, type ImageShape, type Samples } from "./dataset/dataset.ts";
export { readImage } from "./dataset/image-file.ts";
export type { OpenOptions } from "./dataset/open.ts";
export { type ShapesOptions, shapesDataset } from "./dataset/shapes.ts";
export { UserError } from "./errors.ts";
export type { Confusion } from "./evaluation/confusions.ts";
export type { DetailedEvaluation, EvaluationDetails } from "./evaluation/details.ts";
export type { EvaluationFigures } from "./evaluation/figures.ts";
export { type ExitLogits, openExitLogits } from "./exits/exit-logits.ts";
export type { ExitCosts, ExitTable } from "./exits/exit-table.ts";
export { decodeTableFile, type TableFile } from "./exits/table-file.ts";
export {
  type ExportOptions,
  type ExportPolicyOptions,
  type ExportResult,
  exportModel,
  exportPolicy,
} from "./export/export.ts";
export { readShortText } from "./files/reader.ts";
export type { Classification, ExitTrace } from "./inference/adaptive-classifier.ts";
export { modelFolder } from "./model/bundled.ts";
export type { Model } from "./model/model.ts";
export { copyModel, loadModel, modelDigest, readModelFile, saveModel } from "./model/model-folder.ts";
export {
  type Blueprint,
  type BlueprintInput,
  type Layer,
  type LayerInput,
  parseBlueprint,
} from "./network/blueprint.ts";
export { blueprintNames, builtInBlueprint } from "./network/blueprints.ts";
export { blueprintStages, type NetworkCost, networkCost } from "./network/cost.ts";
export { type Input, type Picture, pictureOf, type Stage, type StagedNetwork } from "./network/staged-network.ts";
export type { Agent } from "./policy/agent.ts";
export { DQN_DEFAULTS, type DqnOptions, type DqnProgress } from "./policy/dqn.ts";
export type { Judgement } from "./policy/feedback.ts";
export type { LambdaPoint } from "./policy/lambda-calibration.ts";
export type { LearnedPolicy } from "./policy/learned-policy.ts";
export type { PreciseAnswers, SureAnswers } from "./policy/unsure.ts";
export type { QuantisedNetwork } from "./quantise/quantised-network.ts";
export { createNodeRuntime } from "./runtime/node.ts";
export type { Device, Runtime } from "./runtime/runtime.ts";
export { type AttachFindings, attachExits } from "./story/attach-exits.ts";
export type { AttachOptions } from "./story/attach-options.ts";
export {
  AdaptiveClassifier,
  type BatchOptions,
  type ClassifierOptions,
  type ClassifyOptions,
  type RawImage,
} from "./story/classifier.ts";
export { type ComparePoliciesOptions, comparePolicies, type PolicyComparison } from "./story/compare-policies.ts";
export { type ExpectedAnswers, expectedAnswers } from "./story/expected-answers.ts";
export type { HandOut, HandOutHooks, Job, JobQueue, JobState, Work, WorkHooks, WorkOptions } from "./story/jobs.ts";
export {
  type Bound,
  type ContinueLearningOptions,
  type CostChoice,
  continueLearning,
  type EvaluateOptions,
  type EvaluateTableOptions,
  evaluate,
  evaluateInDetail,
  evaluateTable,
  evaluateTableInDetail,
  type LearnFromTableOptions,
  type LearnPolicyOptions,
  learnFromTable,
  learnPolicy,
  pointWithin,
  type QuantiseOptions,
  quantise,
  type TrainNetworkOptions,
  trainNetwork,
} from "./story/node.ts";
export { type OpenNetworkOptions, openNetwork } from "./story/open-network.ts";
export { openDataset } from "./story/own-pictures.ts";
export { builtInRecipe, parseRecipe, type Recipe, type RecipeInput, recipeNames } from "./training/recipe.ts";
export type { TrainingProgress } from "./training/training-loop.ts";
export { VERSION } from "./version.ts";
