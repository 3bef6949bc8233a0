import CKernels

/// Lists the loops over rows of one stored type and vectors of a scalar.
struct RowKernels<S> {
  typealias In = UnsafePointer<S>
  typealias Out = UnsafeMutablePointer<S>
  typealias Doubles = UnsafePointer<Double>
  typealias Sums = UnsafeMutablePointer<Double>
  typealias Rows = UnsafeRawPointer
  typealias Columns = UnsafePointer<UInt16>

  // Dense rows.
  let store: (UnsafeMutableRawPointer, Int, Int, In, Int) -> Void
  let load: (Rows, Int, Int, Out, Int) -> Void
  let dots: (Rows, Int, Int, In, Int, Sums) -> Void
  let combine: (Rows, Int, Int, Doubles, Int, Sums) -> Void
  // Sparse rows, which a scaled type does not have.
  var storeEntries: (UnsafeMutablePointer<UInt16>, UnsafeMutableRawPointer, Int, In, Int) -> Int =
    { _, _, _, _, _ in noSparseRows() }
  var loadEntries: (Columns, Rows, Int, Out, Int) -> Void = { _, _, _, _, _ in noSparseRows() }
  var dotEntries: (Columns, Rows, Int, Int, In, Sums) -> Void =
    { _, _, _, _, _, _ in noSparseRows() }
  var combineEntries: (Columns, Rows, Int, Int, Doubles, Int, Sums) -> Void =
    { _, _, _, _, _, _, _ in noSparseRows() }
  /// Rounds numbers to the stored type; of a scaled type, those of a row.
  let round: (Out, Int) -> Void
  /// Returns the scale of a row; 1 if the type has none.
  var scale: (In, Int) -> Float = { _, _ in 1 }
}

extension Kernels {
  /// Returns the loops for rows of a stored type.
  func rows(of type: RowType) -> RowKernels<S> {
    switch type {
    case .float32: float32Rows
    case .bfloat16: bfloat16Rows
    case .float64: float64Rows
    case .int8: int8Rows
    }
  }
}

extension RowKernels<Float> {
  static var float32: RowKernels {
    RowKernels(
      store: ck_float_rows_store_f32, load: ck_float_rows_load_f32,
      dots: ck_float_rows_dots_f32, combine: ck_float_rows_combine,
      storeEntries: ck_float_entries_store_f32, loadEntries: ck_float_entries_load_f32,
      dotEntries: ck_float_entries_dots_f32, combineEntries: ck_float_entries_combine,
      round: { _, _ in })
  }

  static var bfloat16: RowKernels {
    RowKernels(
      store: ck_bfloat16_rows_store_f32, load: ck_bfloat16_rows_load_f32,
      dots: ck_bfloat16_rows_dots_f32, combine: ck_bfloat16_rows_combine,
      storeEntries: ck_bfloat16_entries_store_f32, loadEntries: ck_bfloat16_entries_load_f32,
      dotEntries: ck_bfloat16_entries_dots_f32, combineEntries: ck_bfloat16_entries_combine,
      round: ck_round_to_bfloat16_f32)
  }

  static var float64: RowKernels {
    RowKernels(
      store: ck_double_rows_store_f32, load: ck_double_rows_load_f32,
      dots: ck_double_rows_dots_f32, combine: ck_double_rows_combine,
      storeEntries: ck_double_entries_store_f32, loadEntries: ck_double_entries_load_f32,
      dotEntries: ck_double_entries_dots_f32, combineEntries: ck_double_entries_combine,
      round: { _, _ in })
  }

  static var int8: RowKernels {
    RowKernels(
      store: ck_int8_rows_store_f32, load: ck_int8_rows_load_f32,
      dots: ck_int8_rows_dots_f32, combine: ck_int8_rows_combine,
      round: ck_round_to_int8_f32, scale: ck_int8_scale_f32)
  }
}

extension RowKernels<Double> {
  static var float32: RowKernels {
    RowKernels(
      store: ck_float_rows_store_f64, load: ck_float_rows_load_f64,
      dots: ck_float_rows_dots_f64, combine: ck_float_rows_combine,
      storeEntries: ck_float_entries_store_f64, loadEntries: ck_float_entries_load_f64,
      dotEntries: ck_float_entries_dots_f64, combineEntries: ck_float_entries_combine,
      round: ck_round_to_float_f64)
  }

  static var bfloat16: RowKernels {
    RowKernels(
      store: ck_bfloat16_rows_store_f64, load: ck_bfloat16_rows_load_f64,
      dots: ck_bfloat16_rows_dots_f64, combine: ck_bfloat16_rows_combine,
      storeEntries: ck_bfloat16_entries_store_f64, loadEntries: ck_bfloat16_entries_load_f64,
      dotEntries: ck_bfloat16_entries_dots_f64, combineEntries: ck_bfloat16_entries_combine,
      round: ck_round_to_bfloat16_f64)
  }

  static var float64: RowKernels {
    RowKernels(
      store: ck_double_rows_store_f64, load: ck_double_rows_load_f64,
      dots: ck_double_rows_dots_f64, combine: ck_double_rows_combine,
      storeEntries: ck_double_entries_store_f64, loadEntries: ck_double_entries_load_f64,
      dotEntries: ck_double_entries_dots_f64, combineEntries: ck_double_entries_combine,
      round: { _, _ in })
  }

  static var int8: RowKernels {
    RowKernels(
      store: ck_int8_rows_store_f64, load: ck_int8_rows_load_f64,
      dots: ck_int8_rows_dots_f64, combine: ck_int8_rows_combine,
      round: ck_round_to_int8_f64, scale: ck_int8_scale_f64)
  }
}

func noSparseRows() -> Never { preconditionFailure("sparse rows of a scaled type") }
