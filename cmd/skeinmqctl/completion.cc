#include "cmd/skeinmqctl/completion.h"

#include <CLI/CLI.hpp>
#include <functional>
#include <ostream>
#include <vector>

namespace skein::ctl {
namespace {

// The words that may follow a command: its commands, its flags.
std::vector<std::string> WordsOf(const CLI::App& app) {
  std::vector<std::string> words;
  for (const CLI::App* const sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!sub->get_name().empty()) {
      words.push_back(sub->get_name());
      continue;
    }
    // A group of options: they are the command's own.
    for (const CLI::Option* const option : sub->get_options())
      words.push_back("--" + option->get_lnames().front());
  }
  for (const CLI::Option* const option : app.get_options()) {
    for (const std::string& name : option->get_lnames())
      words.push_back("--" + name);
  }
  return words;
}

// Flags of the command that take a value which is a file.
std::vector<std::string> FilesOf(const CLI::App& app) {
  std::vector<std::string> flags;
  for (const CLI::Option* const option : app.get_options()) {
    const std::string type = option->get_type_name();
    if (option->get_lnames().empty() || (type != "FILE" && type != "DIR")) continue;
    flags.push_back("--" + option->get_lnames().front());
  }
  return flags;
}

std::string Join(const std::vector<std::string>& words, const char* between) {
  std::string text;
  for (const std::string& word : words)
    text += (text.empty() ? "" : between) + word;
  return text;
}

using Visit = std::function<void(const std::string& path, const CLI::App& app)>;

void Walk(const std::string& path, const CLI::App& app, const Visit& visit) {
  visit(path, app);
  for (const CLI::App* const sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!sub->get_name().empty())
      Walk(path + (path.empty() ? "" : " ") + sub->get_name(), *sub, visit);
  }
}

// What is typed before the cursor names the command; flags and their values are passed over.
constexpr char kBash[] = R"sh(# Completion of skeinmqctl for bash: source this, or put it into
# /etc/bash_completion.d.
_skeinmqctl() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
  local path= word words files
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ $word == [a-z]* ]] && case " $(_skeinmqctl_words "$path") " in
      *" $word "*) path="${path:+$path }$word" ;;
    esac
  done
  files=$(_skeinmqctl_files "$path")
  if [[ " $files " == *" $previous "* ]]; then
    COMPREPLY=($(compgen -f -- "$current"))
    return
  fi
  words=$(_skeinmqctl_words "$path")
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _skeinmqctl skeinmqctl
)sh";

constexpr char kZsh[] = R"sh(_skeinmqctl() {
  local path_= word
  local -a options
  for word in "${(@)words[2,CURRENT-1]}"; do
    if [[ $word == [a-z]* && " $(_skeinmqctl_words "$path_") " == *" $word "* ]]; then
      path_="${path_:+$path_ }$word"
    fi
  done
  if [[ " $(_skeinmqctl_files "$path_") " == *" ${words[CURRENT-1]} "* ]]; then
    _files
    return
  fi
  options=(${(s: :)"$(_skeinmqctl_words "$path_")"})
  compadd -a options
}
compdef _skeinmqctl skeinmqctl
)sh";

void PrintTable(const char* name, const CLI::App& app,
                std::vector<std::string> (*list)(const CLI::App&), std::ostream& out) {
  out << name << "() {\n  case \"$1\" in\n";
  Walk("", app, [&](const std::string& path, const CLI::App& each) {
    out << "    \"" << path << "\") echo \"" << Join(list(each), " ") << "\" ;;\n";
  });
  out << "  esac\n}\n";
}

}  // namespace

void PrintCompletion(const CLI::App& app, const std::string& shell, std::ostream& out) {
  if (shell == "zsh") {
    out << "#compdef skeinmqctl\n# Completion of skeinmqctl for zsh: put it into a folder of fpath "
           "as "
           "_skeinmqctl, or source it.\n";
  }
  PrintTable("_skeinmqctl_words", app, &WordsOf, out);
  PrintTable("_skeinmqctl_files", app, &FilesOf, out);
  out << (shell == "zsh" ? kZsh : kBash);
}

}  // namespace skein::ctl
