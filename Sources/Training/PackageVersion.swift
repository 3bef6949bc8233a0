/// The version of this package, which its programs and its runs name.
public let packageVersion = "0.1.0"
