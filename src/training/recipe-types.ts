/** Written from the schema in `recipe.ts`: `npx vitest run test/network/schemas.test.ts -u`. Change that, not this. */

/** A recipe as a person writes it. */
export type RecipeInput = {
  /** The JSON Schema in the package, for editors. */
  $schema?: string | undefined;
  /** Times that each picture is trained on. Default: 20. */
  epochs?: number | undefined;
  /** Images per step. Default: 128. */
  batchSize?: number | undefined;
  /** Turns gradients into steps. Default: {"name":"sgd","weightDecay":0.0005}. */
  optimizer?: {
    name: "sgd";
    /** Nesterov momentum. Default: 0.9. */
    momentum?: number | undefined;
    /** Decoupled: a weight shrinks by learning rate x decay at each step. Default: 0. */
    weightDecay?: number | undefined;
  } | {
    name: "adamW";
    /** Decoupled: a weight shrinks by learning rate x decay at each step. Default: 0.0001. */
    weightDecay?: number | undefined;
  } | undefined;
  /** Peak. Default: 0.1. */
  learningRate?: number | undefined;
  /** Times the learning rate, for biases and for batch norm's offsets, which never decay. Default: 1. */
  biasRateFactor?: number | undefined;
  /**
   * Times the learning rate, for the weights of linear layers: nothing normalises them, so that they bear a
   * lower rate than convolutions before a batch norm. Default: 1.
   */
  linearRateFactor?: number | undefined;
  /**
   * The bias of a whitening layer stays as it is at the start, as its filters do: once it is large, its
   * activation is a straight line, nothing holds it, and in long trainings the running statistics fall behind
   * it.
   */
  fixedWhitening?: boolean | undefined;
  /** The learning rate over the training. Default: {"name":"triangular"}. */
  schedule?: {
    /** Straight up over the first `warmup` of the training, then straight down to `end` of the peak. */
    name: "triangular";
    /** Share of the training, 0..1. Default: 0.2. */
    warmup?: number | undefined;
    /** Share of the peak, 0..1. Default: 0.01. */
    end?: number | undefined;
  } | {
    /** Straight up over `warmupEpochs`, then half a cosine down to 0. */
    name: "cosine";
    /** Epochs. Default: 1. */
    warmupEpochs?: number | undefined;
  } | {
    /**
     * Half a cosine from the peak to `minimum`, starting again `firstEpochs` epochs in, then after `factor`
     * times as many.
     */
    name: "cosineRestarts";
    /** Epochs until it first starts again. Default: 10. */
    firstEpochs?: number | undefined;
    /** How many times as long each part is as the one before. Default: 2. */
    factor?: number | undefined;
    /** Least learning rate. Default: 0.000001. */
    minimum?: number | undefined;
  } | undefined;
  /** First values of the convolutions. Default: "he". */
  initialisation?: "he" | "dirac" | undefined;
  /**
   * Weight of each exit's loss, normalised to sum 1: "equal"; "rising", in proportion to 2, 3, 4, ...; or one
   * number per exit, moving in a straight line from start to end of the training. Default: "equal".
   */
  exitWeights?: "equal" | "rising" | {
    /** One number per exit, at the first step. */
    start: number[];
    /** One number per exit, at the last step. */
    end: number[];
  } | undefined;
  /**
   * Every exit but the last also learns from the last one: (1 - weight) cross entropy + weight KL to it at
   * this temperature.
   */
  distillation?: {
    /** Of learning from the last exit, 0..1. */
    weight: number;
    /** By which both exits' logits are divided. Default: 2. */
    temperature?: number | undefined;
  } | undefined;
  /**
   * Of the network that --teacher names: every exit learns from its answers on the same view of each picture.
   */
  teacher?: {
    /** Of learning from the teacher, 0..1; the rest is learned from the labels. Default: 0.7. */
    weight?: number | undefined;
    /** By which its logits and the exits' are divided. Default: 2. */
    temperature?: number | undefined;
  } | undefined;
  /** Share of each label that is spread over all classes, 0..1. Default: 0. */
  labelSmoothing?: number | undefined;
  /** Gradients are scaled down to this global norm; null leaves them as they are. Default: null. */
  gradientNorm?: number | null | undefined;
  /** What makes each epoch's pictures others. Default: {}. */
  augmentation?: {
    /** Pixels of reflected border before a random crop. Default: 2. */
    padding?: number | undefined;
    /** Mirrored in every second epoch. Default: true. */
    flip?: boolean | undefined;
    /** Side of the square that is blanked out, in pixels; 0 is none. Default: 0. */
    cutout?: number | undefined;
    /** In place of `padding`: a random part of the image becomes the whole. */
    zoom?: {
      /** Smallest and largest part, as a share of the image's area; above 1 it takes in reflected border. */
      area: [number, number];
      /** Most by which the part's sides differ from the image's, as a ratio. Default: 1.3333333333333333. */
      stretch?: number | undefined;
    } | undefined;
    /** Random brightness, contrast and saturation. */
    colour?: {
      /** Most by which it changes, 0..1. Default: 0.2. */
      brightness?: number | undefined;
      /** Most by which it changes, 0..1. Default: 0.2. */
      contrast?: number | undefined;
      /** Most by which it changes, 0..1. Default: 0.2. */
      saturation?: number | undefined;
    } | undefined;
  } | undefined;
  /**
   * The network that is kept is an exponential moving average of the weights with this decay per step; null
   * keeps the last one. Default: null.
   */
  averageDecay?: number | null | undefined;
  /**
   * Of the weights that are kept; training is in float32 all the same. "float16" halves the file, its digits
   * are those that matter. Default: "float32".
   */
  weightPrecision?: "float32" | "float16" | undefined;
  /** Epochs between looks at the validation split; the last epoch is always looked at. Default: 5. */
  validateEvery?: number | undefined;
  /**
   * Ends the training once so many looks in a row have not bettered the mean accuracy of the exits on
   * validation, at the earliest when the share `after` of it is done.
   */
  earlyEnd?: {
    /** Share of the training, 0..1. */
    after: number;
    /** Looks at validation in a row. */
    looks: number;
  } | undefined;
  /** Each class weighs as much as any other in the loss, however many pictures it has. */
  balance?: boolean | undefined;
};

/** A whole one. */
export type Recipe = {
  /** Times that each picture is trained on. Default: 20. */
  epochs: number;
  /** Images per step. Default: 128. */
  batchSize: number;
  /** Turns gradients into steps. Default: {"name":"sgd","weightDecay":0.0005}. */
  optimizer: {
    name: "sgd";
    /** Nesterov momentum. Default: 0.9. */
    momentum: number;
    /** Decoupled: a weight shrinks by learning rate x decay at each step. Default: 0. */
    weightDecay: number;
  } | {
    name: "adamW";
    /** Decoupled: a weight shrinks by learning rate x decay at each step. Default: 0.0001. */
    weightDecay: number;
  };
  /** Peak. Default: 0.1. */
  learningRate: number;
  /** Times the learning rate, for biases and for batch norm's offsets, which never decay. Default: 1. */
  biasRateFactor: number;
  /**
   * Times the learning rate, for the weights of linear layers: nothing normalises them, so that they bear a
   * lower rate than convolutions before a batch norm. Default: 1.
   */
  linearRateFactor: number;
  /**
   * The bias of a whitening layer stays as it is at the start, as its filters do: once it is large, its
   * activation is a straight line, nothing holds it, and in long trainings the running statistics fall behind
   * it.
   */
  fixedWhitening?: boolean | undefined;
  /** The learning rate over the training. Default: {"name":"triangular"}. */
  schedule: {
    /** Straight up over the first `warmup` of the training, then straight down to `end` of the peak. */
    name: "triangular";
    /** Share of the training, 0..1. Default: 0.2. */
    warmup: number;
    /** Share of the peak, 0..1. Default: 0.01. */
    end: number;
  } | {
    /** Straight up over `warmupEpochs`, then half a cosine down to 0. */
    name: "cosine";
    /** Epochs. Default: 1. */
    warmupEpochs: number;
  } | {
    /**
     * Half a cosine from the peak to `minimum`, starting again `firstEpochs` epochs in, then after `factor`
     * times as many.
     */
    name: "cosineRestarts";
    /** Epochs until it first starts again. Default: 10. */
    firstEpochs: number;
    /** How many times as long each part is as the one before. Default: 2. */
    factor: number;
    /** Least learning rate. Default: 0.000001. */
    minimum: number;
  };
  /** First values of the convolutions. Default: "he". */
  initialisation: "he" | "dirac";
  /**
   * Weight of each exit's loss, normalised to sum 1: "equal"; "rising", in proportion to 2, 3, 4, ...; or one
   * number per exit, moving in a straight line from start to end of the training. Default: "equal".
   */
  exitWeights: "equal" | "rising" | {
    /** One number per exit, at the first step. */
    start: number[];
    /** One number per exit, at the last step. */
    end: number[];
  };
  /**
   * Every exit but the last also learns from the last one: (1 - weight) cross entropy + weight KL to it at
   * this temperature.
   */
  distillation?: {
    /** Of learning from the last exit, 0..1. */
    weight: number;
    /** By which both exits' logits are divided. Default: 2. */
    temperature: number;
  } | undefined;
  /**
   * Of the network that --teacher names: every exit learns from its answers on the same view of each picture.
   */
  teacher?: {
    /** Of learning from the teacher, 0..1; the rest is learned from the labels. Default: 0.7. */
    weight: number;
    /** By which its logits and the exits' are divided. Default: 2. */
    temperature: number;
  } | undefined;
  /** Share of each label that is spread over all classes, 0..1. Default: 0. */
  labelSmoothing: number;
  /** Gradients are scaled down to this global norm; null leaves them as they are. Default: null. */
  gradientNorm: number | null;
  /** What makes each epoch's pictures others. Default: {}. */
  augmentation: {
    /** Pixels of reflected border before a random crop. Default: 2. */
    padding: number;
    /** Mirrored in every second epoch. Default: true. */
    flip: boolean;
    /** Side of the square that is blanked out, in pixels; 0 is none. Default: 0. */
    cutout: number;
    /** In place of `padding`: a random part of the image becomes the whole. */
    zoom?: {
      /** Smallest and largest part, as a share of the image's area; above 1 it takes in reflected border. */
      area: [number, number];
      /** Most by which the part's sides differ from the image's, as a ratio. Default: 1.3333333333333333. */
      stretch: number;
    } | undefined;
    /** Random brightness, contrast and saturation. */
    colour?: {
      /** Most by which it changes, 0..1. Default: 0.2. */
      brightness: number;
      /** Most by which it changes, 0..1. Default: 0.2. */
      contrast: number;
      /** Most by which it changes, 0..1. Default: 0.2. */
      saturation: number;
    } | undefined;
  };
  /**
   * The network that is kept is an exponential moving average of the weights with this decay per step; null
   * keeps the last one. Default: null.
   */
  averageDecay: number | null;
  /**
   * Of the weights that are kept; training is in float32 all the same. "float16" halves the file, its digits
   * are those that matter. Default: "float32".
   */
  weightPrecision: "float32" | "float16";
  /** Epochs between looks at the validation split; the last epoch is always looked at. Default: 5. */
  validateEvery: number;
  /**
   * Ends the training once so many looks in a row have not bettered the mean accuracy of the exits on
   * validation, at the earliest when the share `after` of it is done.
   */
  earlyEnd?: {
    /** Share of the training, 0..1. */
    after: number;
    /** Looks at validation in a row. */
    looks: number;
  } | undefined;
  /** Each class weighs as much as any other in the loss, however many pictures it has. */
  balance?: boolean | undefined;
};
