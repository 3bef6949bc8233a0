import CKernels

/// The CPU that this process runs on.
public enum CPU {
  /// Whether it has a fused multiply-add: convolutions have one set of bits with it, one without.
  public static var fusesMultiplyAdd: Bool {
    // A level of x86-64, where all from the third have it, or 0 elsewhere, where all 64-bit CPUs
    // do.
    let level = ck_x86_level()
    return level == 0 || level >= 3
  }
}
