import Datasets
import Networks
import Optimizers

/// Describes a training run; the defaults are those of the program.
public struct TrainingPlan: Sendable {
  /// Selects what happens if a gradient is not finite.
  public enum OnNonFinite: String, CaseIterable, Sendable {
    /// The run skips such steps, however many there are.
    case skip
    /// The run skips such steps, and stops after ten in a row.
    case stop
  }

  /// Sets when checkpoints are saved, in addition to those that a signal requests.
  public struct Saving: Sendable, Equatable {
    /// Steps between two checkpoints; nil for no checkpoints by steps.
    public var everySteps: Int?
    /// Seconds between two checkpoints; nil for no checkpoints by time.
    public var everySeconds: Double?
    /// Number of checkpoints that are kept, the newest ones.
    public var keepLast = 2
    /// True if checkpoints include the optimizer's window. It is most of their size; without it the
    /// window fills again after a resume.
    public var includesWindow = true

    /// Saves checkpoints only if a signal requests them.
    public init() {}
  }

  /// Selects where the run begins.
  public enum Resume: Sendable, Equatable {
    /// The first step, in a directory without a run.
    case never
    /// The newest whole checkpoint in the run's directory. Without a checkpoint it is the first
    /// step, and the files of an earlier start are moved aside. A finished run stays as it is.
    case automatic
    /// The checkpoint in the given directory.
    case from(String)
  }

  /// Data for training and evaluation.
  public var dataset: Dataset
  /// Network to train.
  public var network: NetworkDescription
  /// Settings of the optimizer.
  public var optimizer: any OptimizerConfiguration
  /// Learning-rate schedule, which also sets the number of steps.
  public var schedule: LearningRateSchedule
  /// Assignment of examples to the batches of steps.
  public var batches: BatchOrder
  /// Rules that override settings for some tensors; a tensor follows the first rule that matches
  /// it.
  public var rules: [ParameterRule] = []
  /// Largest norm of the gradient over all parameters; nil for no clipping.
  public var clipNorm: Double?
  /// True if initial weights that are zero are removed, in tensors with two or more dimensions.
  /// M-FAC's window has no columns for removed weights.
  public var sparse = false
  /// Path of a file of masks; the weights that it removes are zero and stay zero.
  public var masks: String?
  /// Plan for removing weights during training.
  public var pruning: PruningPlan?
  /// Number of micro-batches in a batch: at least the number of ranks, and a divisor of the batch
  /// size.
  public var microBatches = 8
  /// Loss to minimize, which must fit the dataset's targets.
  public var loss = Loss.crossEntropy()
  /// Path of a safetensors file; nil draws the initial weights by `seed`.
  public var initialWeights: String?
  /// Seed of initial weights and dropout.
  public var seed: UInt64 = 0
  /// Treatment of gradients that are not finite.
  public var onNonFinite = OnNonFinite.stop
  /// Steps between two evaluations, which also save the network; nil for one evaluation an epoch.
  public var evaluateEvery: Int?
  /// Path of the directory for the run's files.
  public var runDirectory: String
  /// True if the run writes files; a benchmark writes none.
  package var keepsFiles = true
  /// Settings of checkpoints.
  public var saving = Saving()
  /// Point at which the run begins: its first step or a checkpoint.
  public var resume = Resume.never
  /// True if an earlier run in the directory is removed when this one starts; not with
  /// `Resume.automatic`.
  public var overwrites = false
  /// Resolved settings in YAML, the text of the run's `config.yaml`.
  public var configuration = ""
  /// Style in which rank 0 prints the run's progress.
  public var progress = Progress.Style.automatic
  /// True if rank 0 prints the cost of each phase at the end.
  public var logView = false
  /// True if the run writes event files for TensorBoard.
  public var tensorboard = false
  /// Steps > 0 between two spectra of the Gram matrix; nil for no spectra.
  public var spectrumEvery: Int?

  /// Creates a plan with the program's defaults for all other settings.
  public init(
    dataset: Dataset, network: NetworkDescription,
    optimizer: any OptimizerConfiguration, schedule: LearningRateSchedule, batches: BatchOrder,
    runDirectory: String
  ) {
    self.dataset = dataset
    self.network = network
    self.optimizer = optimizer
    self.schedule = schedule
    self.batches = batches
    self.runDirectory = runDirectory
  }
}
