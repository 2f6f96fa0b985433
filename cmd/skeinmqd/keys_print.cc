// The printed forms of the key table, see keys.h.
#include <string>

#include "cmd/skeinmqd/admin_fields.h"
#include "cmd/skeinmqd/authenticator_fields.h"
#include "cmd/skeinmqd/keys.h"
#include "cmd/skeinmqd/listener_url.h"
#include "yaml-cpp/yaml.h"

namespace skein::config {
namespace {

template <typename Record>
void EmitRecords(YAML::Emitter& out, const std::vector<Record>& records) {
  out << YAML::BeginSeq;
  for (const Record& record : records) {
    out << YAML::BeginMap;
    for (const auto& [name, value] : Describe(record))
      out << YAML::Key << name << YAML::Value << value;
    out << YAML::EndMap;
  }
  out << YAML::EndSeq;
}

void EmitValue(YAML::Emitter& out, const Key& key, const Config& config) {
  if (key.name == "listeners") {
    EmitRecords(out, config.listeners);
  } else if (key.name == "authentication") {
    EmitRecords(out, config.authentication);
  } else if (key.name == "bans") {
    EmitRecords(out, config.bans);
  } else if (key.name == "admin.tokens") {
    EmitRecords(out, config.admin_tokens);
  } else {
    out << GetKey(key, config);
  }
}

// A table cell: `|` would end it.
std::string Cell(std::string_view text) {
  std::string cell;
  for (const char c : text)
    cell += c == '|' ? std::string("\\|") : std::string(1, c);
  return cell;
}

template <typename Fields>
void AppendTable(const std::string& list, const Fields& fields, std::string* text) {
  text->append("| Key | Default | Allowed | Meaning |\n| --- | --- | --- | --- |\n");
  for (const auto& field : fields) {
    text->append("| `" + list + "[]." + std::string(field.name) + "` | ");
    text->append(std::string(field.default_text) + " | " + Cell(field.allowed) + " | ");
    text->append(Cell(field.help) + " |\n");
  }
}

std::string Code(std::string_view text) {
  return text.empty() ? "empty" : "`" + std::string(text) + "`";
}

}  // namespace

std::string PrintYaml(const Config& config) {
  YAML::Emitter out;
  out << YAML::BeginMap;
  std::string open;  // the section being written
  for (const Key& key : Keys()) {
    const size_t dot = key.name.find('.');
    const std::string section(dot == key.name.npos ? "" : key.name.substr(0, dot));
    if (section != open && !open.empty()) out << YAML::EndMap;
    if (section != open && !section.empty()) {
      out << YAML::Key << section << YAML::Value << YAML::BeginMap;
    }
    open = section;
    out << YAML::Key << std::string(key.name.substr(dot == key.name.npos ? 0 : dot + 1))
        << YAML::Value;
    EmitValue(out, key, config);
  }
  if (!open.empty()) out << YAML::EndMap;
  out << YAML::EndMap;
  return std::string(out.c_str()) + "\n";
}

std::string PrintMarkdown() {
  const Config defaults = DefaultConfig();
  std::string text = "| Key | Default | Allowed | Meaning |\n| --- | --- | --- | --- |\n";
  for (const Key& key : Keys()) {
    text += "| `" + std::string(key.name) + "` | " + Code(GetKey(key, defaults)) + " | " +
            Cell(Allowed(key)) + " | " + Cell(key.help) + " |\n";
  }
  text += "\nEach entry of `listeners` is a URL or a map of these:\n\n";
  AppendTable("listeners", ListenerFields(), &text);
  text += "\nEach entry of `authentication` is a map of these:\n\n";
  AppendTable("authentication", AuthenticatorFields(), &text);
  text += "\nEach entry of `bans` is a map with one of the first three of these:\n\n";
  AppendTable("bans", BanFields(), &text);
  text += "\nEach entry of `admin.tokens` is a map of these:\n\n";
  AppendTable("admin.tokens", AdminTokenFields(), &text);
  return text;
}

}  // namespace skein::config
