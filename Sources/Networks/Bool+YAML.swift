extension Bool {
  /// A yes-or-no setting in any of YAML's words for it: those of version 1.1, in which tools write
  /// what others have read.
  ///
  /// - Returns: nil where the text is none of true, yes, on, false, no and off, in small letters,
  ///   in capitals or with one. (https://yaml.org/type/bool.html, without its y and n.)
  package init?(yaml text: String) {
    let word = text.lowercased()
    guard [word, word.uppercased(), word.prefix(1).uppercased() + word.dropFirst()].contains(text)
    else { return nil }
    switch word {
    case "true", "yes", "on": self = true
    case "false", "no", "off": self = false
    default: return nil
    }
  }
}
