import CKernels
import COpenBLAS

/// Lists the loops and products of one scalar: C functions of CKernels, OpenBLAS and LAPACK.
///
/// A kernel is a line here, a line in each scalar's table below, and a static function of `Scalar`
/// that names its arguments. The comments of those functions define what a kernel computes.
public struct Kernels<S> {
  typealias In = UnsafePointer<S>
  typealias Out = UnsafeMutablePointer<S>
  typealias Doubles = UnsafePointer<Double>
  typealias Sums = UnsafeMutablePointer<Double>
  typealias Labels = UnsafePointer<Int32>
  typealias Choices = UnsafeMutablePointer<Int32>
  typealias Window = UnsafePointer<ck_window>
  typealias Grouping = UnsafePointer<ck_grouping>
  typealias Size = UnsafePointer<Int32>
  typealias Name = UnsafePointer<CChar>

  // Products, by BLAS and LAPACK.
  let product:
    (
      CBLAS_ORDER, CBLAS_TRANSPOSE, CBLAS_TRANSPOSE, blasint, blasint, blasint, S, In, blasint, In,
      blasint, S, Out, blasint
    ) -> Void
  let addGram:
    (
      CBLAS_ORDER, CBLAS_UPLO, CBLAS_TRANSPOSE, blasint, blasint, S, In, blasint, S, Out, blasint
    ) -> Void
  let symmetricProduct:
    (
      CBLAS_ORDER, CBLAS_SIDE, CBLAS_UPLO, blasint, blasint, S, In, blasint, In, blasint, S, Out,
      blasint
    ) -> Void
  let decompose: (Name, Name, Size, Out, Size, Out, Out, Size, Choices, Size, Choices) -> Void
  let factor: (Name, Size, Out, Size, Choices) -> Void
  let invertFactored: (Name, Size, Out, Size, Choices) -> Void
  let dot: (Int, In, In) -> Double
  let combine: (blasint, S, In, blasint, S, Out, blasint) -> Void

  // Layers.
  let addBias: (Int, Int, In, Out) -> Void
  let columnSums: (Int, Int, In, Out) -> Void
  let transpose: (Int, Int, Int, In, Out) -> Void
  let activate: (Int32, Int, In, Out) -> Void
  let activationGradient: (Int32, Int, In, In, Out) -> Void
  let patches: (Window, Int, Int, In, Out) -> Void
  let maxPool: (Window, Int, In, Out, Choices) -> Void
  let maxPoolGradient: (Window, Int, In, Labels, Out) -> Void
  let maxPoolTangent: (Window, Int, In, Labels, Out) -> Void
  let averagePool: (Window, Int, In, Out) -> Void
  let averagePoolGradient: (Window, Int, In, Out) -> Void

  // Losses.
  let crossEntropy: (Int, Int, In, Labels, Double, S, Out) -> Double
  let squaredError: (Int, Int, In, Labels?, In?, S, Out) -> Double
  let binaryCrossEntropy: (Int, Int, In, Labels?, In?, S, Out) -> Double
  let crossEntropyForm: (Int, Int, In, Int, In, Sums, Sums) -> Void
  let squaredErrorForm: (Int, Int, Int, In, Sums, Sums) -> Void
  let binaryCrossEntropyForm: (Int, Int, In, Int, In, Sums, Sums) -> Void
  let correct: (Int, Int, In, Labels, S) -> Int

  // Normalisations, sequences and branches.
  let batchStatistics: (Int, Int, In, Sums, Sums) -> Void
  let batchGradientSums: (Int, Int, In, In, In, In?, Out?, Sums, Sums) -> Void
  let scaleChannels: (Int, Int, In, In, In?, Int32, In, Out) -> Void
  let batchInputGradient: (Int, Int, In, In, In, In, In, In, In?, Int32, Out) -> Void
  let layerNorm: (Int, Int, S, In, In, In, Out, Out) -> Void
  let layerNormGradient: (Int, Int, In, In, In, In, Out, Out, Int32, Out?) -> Void
  let layerNormTangent: (Int, Int, In, In, In, In?, In, In, Out) -> Void
  let rmsNorm: (Int, Int, S, In, In, Out, Out) -> Void
  let rmsNormGradient: (Int, Int, In, In, In, In, Out, Int32, Out?) -> Void
  let rmsNormTangent: (Int, Int, In, In, In, In?, In, Out) -> Void
  let add: (Int, In, In, Out) -> Void
  let rowMeans: (Int, Int, Int, In, Out) -> Void
  let rowMeansGradient: (Int, Int, Int, In, Out) -> Void
  let embed: (Int, Int, In, In, Out) -> Void
  let embedGradient: (Int, Int, In, In, Out) -> Void
  let softmax: (Int, Int, Int32, Out) -> Void
  let softmaxGradient: (Int, Int, In, Out) -> Void
  let dropout: (Int, Double, UInt64, UInt64, UInt64, In, Out) -> Void

  // Convolutions.
  let packWeights: (Window, Int, In, Out) -> Void
  let unpackWeights: (Window, Int, In, Out) -> Void
  let packAdjointWeights: (Window, Int, In, Out) -> Void
  let convolve: (Int32, Window, Int, Int, In, In, In?, Int32, Out, Out) -> Void
  let convolveAdjoint: (Int32, Window, Int, Int, In, In, Int32, Out, Out) -> Void
  let weightGradient: (Int32, Window, Int, Int, In, In, Out, Out) -> Void

  // Convolutions in groups and with dilation.
  let groupedConvolve: (Window, Grouping, Int, In, In, In?, Int32, Out, Out) -> Void
  let groupedAdjoint: (Window, Grouping, Int, In, In, Int32, Out, Out) -> Void
  let groupedGradient: (Window, Grouping, Int, In, In, Out, Out) -> Void
  let groupedPatches: (Window, Grouping, Int, Int, In, Out) -> Void

  // Kronecker factors.
  let patchSums: (Window, Int, In, Out, Out) -> Void
  let scaleRows: (Int, Int, In, In, Out) -> Void
  let divideByOuter: (Int, Int, In, S, In, S, S, Out) -> Void
  let packLower: (Int, In, Int, Labels?, Out) -> Void
  let unpackLower: (Int, In, S, Out) -> Void
  let mirrorLower: (Int, Out) -> Void
  let classAt: (Int, In, Double) -> Int

  // Steps of optimizers.
  let averageSquares: (Int, S, In, In, Out) -> Void
  let divideByMetric: (Int, S, S, In, Out) -> Void
  let adam: (Int, S, S, S, S, S, S, In, Out, Out, Out) -> Void

  // Rows of gradients.
  let type: RowType
  let float32Rows: RowKernels<S>
  let bfloat16Rows: RowKernels<S>
  let float64Rows: RowKernels<S>
  let int8Rows: RowKernels<S>
  let largest: (In, Int, Int, UnsafeMutablePointer<UInt16>) -> Void

  // Sums in twice the digits of double precision.
  let extendedDots: (In, Int, Int, Doubles, Doubles, Sums, Sums) -> Void
  let extendedCombine: (In, Int, Int, Doubles, Doubles, Sums, Sums) -> Void

  /// Returns a copy that is never freed; reading a kernel from it needs no reference counting.
  func inMemory() -> UnsafePointer<Kernels> {
    let memory = UnsafeMutablePointer<Kernels>.allocate(capacity: 1)
    memory.initialize(to: self)
    return UnsafePointer(memory)
  }
}

extension Kernels<Float> {
  static var single: Kernels {
    Kernels(
      product: cblas_sgemm, addGram: cblas_ssyrk, symmetricProduct: cblas_ssymm, decompose: ssyevd_,
      factor: spotrf_, invertFactored: spotri_, dot: { ck_dot($1, $2, $0) }, combine: cblas_saxpby,

      addBias: ck_add_bias_f32, columnSums: ck_column_sums_f32, transpose: ck_transpose_f32,
      activate: ck_activate_f32, activationGradient: ck_activation_gradient_f32,
      patches: ck_patches_f32, maxPool: ck_max_pool_f32, maxPoolGradient: ck_max_pool_gradient_f32,
      maxPoolTangent: ck_max_pool_tangent_f32, averagePool: ck_average_pool_f32,
      averagePoolGradient: ck_average_pool_gradient_f32,

      crossEntropy: ck_cross_entropy_f32, squaredError: ck_squared_error_f32,
      binaryCrossEntropy: ck_binary_cross_entropy_f32, crossEntropyForm: ck_cross_entropy_form_f32,
      squaredErrorForm: ck_squared_error_form_f32,
      binaryCrossEntropyForm: ck_binary_cross_entropy_form_f32, correct: ck_correct_f32,

      batchStatistics: ck_batch_statistics_f32, batchGradientSums: ck_batch_gradient_sums_f32,
      scaleChannels: ck_channel_scale_f32, batchInputGradient: ck_batch_input_gradient_f32,
      layerNorm: ck_layer_norm_f32, layerNormGradient: ck_layer_norm_gradient_f32,
      layerNormTangent: ck_layer_norm_tangent_f32, rmsNorm: ck_rms_norm_f32,
      rmsNormGradient: ck_rms_norm_gradient_f32, rmsNormTangent: ck_rms_norm_tangent_f32,
      add: ck_add_f32, rowMeans: ck_row_means_f32,
      rowMeansGradient: ck_row_means_gradient_f32, embed: ck_embed_f32,
      embedGradient: ck_embed_gradient_f32, softmax: ck_softmax_f32,
      softmaxGradient: ck_softmax_gradient_f32, dropout: ck_dropout_f32,

      packWeights: ck_pack_weights_f32, unpackWeights: ck_unpack_weights_f32,
      packAdjointWeights: ck_pack_adjoint_weights_f32, convolve: ck_convolve_f32,
      convolveAdjoint: ck_convolve_adjoint_f32, weightGradient: ck_weight_gradient_f32,

      groupedConvolve: ck_grouped_convolve_f32, groupedAdjoint: ck_grouped_adjoint_f32,
      groupedGradient: ck_grouped_gradient_f32, groupedPatches: ck_grouped_patches_f32,

      patchSums: ck_patch_sums_f32, scaleRows: ck_scale_rows_f32,
      divideByOuter: ck_divide_by_outer_f32, packLower: ck_pack_lower_f32,
      unpackLower: ck_unpack_lower_f32, mirrorLower: ck_mirror_lower_f32, classAt: ck_class_at_f32,

      averageSquares: ck_average_squares_f32, divideByMetric: ck_divide_by_metric_f32,
      adam: ck_adam_f32,

      type: .float32, float32Rows: .float32, bfloat16Rows: .bfloat16, float64Rows: .float64,
      int8Rows: .int8,
      largest: ck_largest_f32,

      extendedDots: ck_extended_dots_f32, extendedCombine: ck_extended_combine_f32)
  }
}

extension Kernels<Double> {
  static var double: Kernels {
    Kernels(
      product: cblas_dgemm, addGram: cblas_dsyrk, symmetricProduct: cblas_dsymm, decompose: dsyevd_,
      factor: dpotrf_, invertFactored: dpotri_, dot: { cblas_ddot(blasint($0), $1, 1, $2, 1) },
      combine: cblas_daxpby,

      addBias: ck_add_bias_f64, columnSums: ck_column_sums_f64, transpose: ck_transpose_f64,
      activate: ck_activate_f64, activationGradient: ck_activation_gradient_f64,
      patches: ck_patches_f64, maxPool: ck_max_pool_f64, maxPoolGradient: ck_max_pool_gradient_f64,
      maxPoolTangent: ck_max_pool_tangent_f64, averagePool: ck_average_pool_f64,
      averagePoolGradient: ck_average_pool_gradient_f64,

      crossEntropy: ck_cross_entropy_f64, squaredError: ck_squared_error_f64,
      binaryCrossEntropy: ck_binary_cross_entropy_f64, crossEntropyForm: ck_cross_entropy_form_f64,
      squaredErrorForm: ck_squared_error_form_f64,
      binaryCrossEntropyForm: ck_binary_cross_entropy_form_f64, correct: ck_correct_f64,

      batchStatistics: ck_batch_statistics_f64, batchGradientSums: ck_batch_gradient_sums_f64,
      scaleChannels: ck_channel_scale_f64, batchInputGradient: ck_batch_input_gradient_f64,
      layerNorm: ck_layer_norm_f64, layerNormGradient: ck_layer_norm_gradient_f64,
      layerNormTangent: ck_layer_norm_tangent_f64, rmsNorm: ck_rms_norm_f64,
      rmsNormGradient: ck_rms_norm_gradient_f64, rmsNormTangent: ck_rms_norm_tangent_f64,
      add: ck_add_f64, rowMeans: ck_row_means_f64,
      rowMeansGradient: ck_row_means_gradient_f64, embed: ck_embed_f64,
      embedGradient: ck_embed_gradient_f64, softmax: ck_softmax_f64,
      softmaxGradient: ck_softmax_gradient_f64, dropout: ck_dropout_f64,

      packWeights: ck_pack_weights_f64, unpackWeights: ck_unpack_weights_f64,
      packAdjointWeights: ck_pack_adjoint_weights_f64, convolve: ck_convolve_f64,
      convolveAdjoint: ck_convolve_adjoint_f64, weightGradient: ck_weight_gradient_f64,

      groupedConvolve: ck_grouped_convolve_f64, groupedAdjoint: ck_grouped_adjoint_f64,
      groupedGradient: ck_grouped_gradient_f64, groupedPatches: ck_grouped_patches_f64,

      patchSums: ck_patch_sums_f64, scaleRows: ck_scale_rows_f64,
      divideByOuter: ck_divide_by_outer_f64, packLower: ck_pack_lower_f64,
      unpackLower: ck_unpack_lower_f64, mirrorLower: ck_mirror_lower_f64, classAt: ck_class_at_f64,

      averageSquares: ck_average_squares_f64, divideByMetric: ck_divide_by_metric_f64,
      adam: ck_adam_f64,

      type: .float64, float32Rows: .float32, bfloat16Rows: .bfloat16, float64Rows: .float64,
      int8Rows: .int8,
      largest: ck_largest_f64,

      extendedDots: ck_extended_dots_f64, extendedCombine: ck_extended_combine_f64)
  }
}
