import Foundation

// Writes manual pages in mdoc(7) from a program's help:
//
//   PROGRAM --experimental-dump-help | swift Launch/manual.swift VERSION DATE DIRECTORY
//
// The pages are PROGRAM.1, and PROGRAM-SUBCOMMAND.1 for each subcommand.

struct Help: Decodable {
  let command: Command
}

struct Command: Decodable {
  let commandName: String
  let abstract: String?
  let discussion: String?
  let arguments: [Argument]?
  let subcommands: [Command]?

  /// The subcommands that get a page of their own: all but `help`.
  var children: [Command] { (subcommands ?? []).filter { $0.commandName != "help" } }
}

struct Argument: Decodable {
  struct Name: Decodable {
    let kind: String
    let name: String
  }

  let kind: String
  let abstract: String?
  let discussion: String?
  var names: [Name]?
  let valueName: String?
  let allValues: [String]?
  let defaultValue: String?
  let isOptional: Bool
  let isRepeating: Bool
  let sectionTitle: String?
}

/// Escapes text for mdoc: backslashes, a leading '.' or ' that would begin a macro, and characters
/// outside ASCII.
func escaped(_ text: String) -> String {
  let lines = text.replacing("\\", with: "\\e").split(separator: "\n")
  return lines.map { $0.hasPrefix(".") || $0.hasPrefix("'") ? "\\&\($0)" : "\($0)" }
    .joined(separator: "\n").unicodeScalars
    .map { $0.isASCII ? "\($0)" : "\\[u\(hexadecimal($0.value))]" }.joined()
}

func hexadecimal(_ value: UInt32) -> String {
  let digits = String(value, radix: 16, uppercase: true)
  return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
}

/// Writes one sentence a line, so that mdoc sets the space after each, and `.Pp` between
/// paragraphs.
func paragraphs(_ text: String) -> String {
  let paragraphs = text.split(separator: "\n\n").map {
    escaped(String($0).replacing("\n", with: " ").replacing(". ", with: ".\n"))
  }
  return paragraphs.joined(separator: "\n.Pp\n")
}

extension Argument {
  /// The flags and the value in mdoc, such as `Fl -window Ar window`, without the leading macro.
  var form: String {
    let value = (allValues ?? []).isEmpty ? valueName ?? "" : allValues!.joined(separator: " | ")
    let flags = (names ?? []).map { "Fl \($0.kind == "long" ? "-" : "")\(escaped($0.name))" }
    let form =
      switch kind {
      case "positional": "Ar \(escaped(valueName ?? ""))"
      case "flag": flags.joined(separator: " , ")
      default: flags.joined(separator: " , ") + " Ar \(escaped(value))"
      }
    return form + (isRepeating ? " ..." : "")
  }

  var item: String {
    let known = defaultValue.map { ["Default: \(escaped($0))."] } ?? []
    let text = [abstract, discussion].compactMap(\.self).filter { !$0.isEmpty }
    return ([".It \(form)"] + text.map(paragraphs) + known).joined(separator: "\n")
  }
}

/// Joins each flag and its inversion into one item: `--flip, --no-flip`.
func inversionsJoined(_ arguments: [Argument]) -> [Argument] {
  arguments.reduce(into: []) { joined, argument in
    if argument.kind == "flag", let last = joined.last, last.kind == "flag",
      last.abstract == argument.abstract
    {
      joined[joined.count - 1].names! += argument.names!
    } else {
      joined.append(argument)
    }
  }
}

func page(_ command: Command, of program: [String], version: String, date: String) -> String {
  let name = program.joined(separator: "-")
  // An option without a text is not for users.
  let arguments = inversionsJoined(
    (command.arguments ?? []).filter { $0.abstract?.isEmpty == false })
  let required = arguments.filter { !$0.isOptional || $0.kind == "positional" }
  var lines = [
    ".Dd \(date)", ".Dt \(name.uppercased()) 1", ".Os swift-mfac \(version)", ".Sh NAME",
    ".Nm \(name)", ".Nd \(paragraphs(command.abstract ?? "").trimmingSuffix("."))", ".Sh SYNOPSIS",
    ".Nm \(program.joined(separator: " "))",
  ]
  lines += required.map { $0.isOptional ? ".Op \($0.form)" : ".\($0.form)" }
  lines.append(".Op Ar option ...")
  if !command.children.isEmpty {
    lines += [".Nm", ".Ar subcommand", ".Op Ar option ..."]
  }
  lines += [".Sh DESCRIPTION", paragraphs(command.discussion ?? command.abstract ?? "")]
  for (index, argument) in arguments.enumerated() {
    let title = argument.sectionTitle
    if index == 0 || title != arguments[index - 1].sectionTitle {
      if index > 0 { lines.append(".El") }
      lines.append(title.map { ".Ss \(escaped($0))" } ?? ".Ss \(index == 0 ? "Options" : "Help")")
      lines.append(".Bl -tag -width indent")
    }
    lines.append(argument.item)
  }
  if !arguments.isEmpty { lines.append(".El") }
  let others = command.children.map { "\(name)-\($0.commandName)" }
  if !others.isEmpty {
    lines += [".Sh SUBCOMMANDS", ".Bl -tag -width indent"]
    for child in command.children {
      lines += [".It Cm \(child.commandName)", paragraphs(child.abstract ?? "")]
    }
    lines += [".El", ".Sh SEE ALSO"]
    lines += others.sorted().map { ".Xr \($0) 1\($0 == others.max() ? "" : " ,")" }
  } else if program.count > 1 {
    lines += [".Sh SEE ALSO", ".Xr \(program.dropLast().joined(separator: "-")) 1"]
  }
  return lines.joined(separator: "\n") + "\n"
}

extension String {
  func trimmingSuffix(_ suffix: String) -> String {
    hasSuffix(suffix) ? String(dropLast(suffix.count)) : self
  }
}

let arguments = CommandLine.arguments
guard arguments.count == 4 else {
  FileHandle.standardError.write(Data("usage: manual.swift VERSION DATE DIRECTORY\n".utf8))
  exit(64)
}
let help = try JSONDecoder().decode(
  Help.self, from: FileHandle.standardInput.readDataToEndOfFile())

func write(_ command: Command, of program: [String]) throws {
  let program = program + [command.commandName]
  let file = "\(arguments[3])/\(program.joined(separator: "-")).1"
  try page(command, of: program, version: arguments[1], date: arguments[2])
    .write(toFile: file, atomically: true, encoding: .utf8)
  for child in command.children { try write(child, of: program) }
}

try write(help.command, of: [])
