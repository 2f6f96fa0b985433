// See yaml_reader.h. yaml-cpp throws; nothing of that leaves this file.
#include "cmd/skeinmqd/yaml_reader.h"

#include <algorithm>
#include <initializer_list>
#include <set>
#include <span>
#include <vector>

#include "broker/auth/yaml_document.h"
#include "cmd/skeinmqd/admin_fields.h"
#include "cmd/skeinmqd/authenticator_fields.h"
#include "cmd/skeinmqd/keys.h"
#include "cmd/skeinmqd/listener_url.h"
#include "yaml-cpp/yaml.h"

namespace skein::config {
namespace {

class Reader {
 public:
  Reader(const std::string& file, Config* config, Problems* problems,
         std::map<std::string, int>* lines)
      : file_(file), config_(config), problems_(problems), lines_(lines) {}

  // Reads a map of keys below `prefix` ("" or "limits.").
  void ReadSection(const std::string& prefix, const YAML::Node& map) {
    for (const auto& entry : map) {
      const YAML::Node key_node = entry.first;
      const YAML::Node value = entry.second;
      const std::string name = prefix + Text(key_node);
      if (lines_ != nullptr && FindKey(name) != nullptr) (*lines_)[name] = key_node.Mark().line + 1;
      if (!seen_.insert(name).second) {
        problems_->errors.push_back(At(key_node) + ": key '" + name + "' is given twice");
      } else if (name == "listeners") {
        ReadListeners(value);
      } else if (name == "authentication") {
        ReadRecords(name, value, AuthenticatorFields(), {"name", "type"}, &config_->authentication);
      } else if (name == "bans") {
        ReadRecords(name, value, BanFields(), {}, &config_->bans);
      } else if (name == "admin.tokens") {
        ReadRecords(name, value, AdminTokenFields(), {"name", "role", "file"},
                    &config_->admin_tokens);
      } else if (const Key* key = FindKey(name)) {
        ReadValue(*key, value);
      } else if (!IsSection(name)) {
        problems_->RefuseUnknown(At(key_node), name, NearestKey(name));
      } else if (value.IsMap()) {
        ReadSection(name + ".", value);
      } else if (!value.IsNull()) {
        problems_->Refuse(At(value), name, Text(value), "a map of keys");
      }
    }
  }

 private:
  void ReadValue(const Key& key, const YAML::Node& value) {
    const bool list = key.name == "cluster.peers" || key.name == "shared_subscriptions.groups" ||
                      key.name == "admin.tls.client_roles";
    if (list && value.IsSequence()) {
      std::string joined;
      for (const YAML::Node& each : value)
        joined += (joined.empty() ? "" : ",") + Text(each);
      if (const auto allowed = SetKey(key, joined, config_))
        problems_->Refuse(At(value), key.name, joined, *allowed);
      return;
    }
    if (!value.IsScalar()) {
      problems_->Refuse(At(value), key.name, Text(value), Allowed(key));
    } else if (const auto allowed = SetKey(key, value.Scalar(), config_)) {
      problems_->Refuse(At(value), key.name, value.Scalar(), *allowed);
    }
  }

  void ReadListeners(const YAML::Node& list) {
    if (!list.IsSequence() || list.size() == 0) {
      problems_->Refuse(At(list), "listeners", Text(list), "a list of at least one listener");
      return;
    }
    config_->listeners.clear();
    const auto fields = ListenerFields();
    for (size_t i = 0; i < list.size(); ++i) {
      const std::string name = "listeners[" + std::to_string(i) + "]";
      ListenerDraft draft;
      if (list[i].IsScalar()) {
        SetField(name, fields[0], list[i], &draft);
      } else if (list[i].IsMap()) {
        ReadRecord(name, list[i], fields, {"url"}, &draft);
      } else {
        problems_->Refuse(At(list[i]), name, Text(list[i]), "a URL or a map with 'url'");
      }
      config_->listeners.push_back(FinishListener(draft));
    }
  }

  template <typename Record>
  void ReadRecords(const std::string& list_name, const YAML::Node& list,
                   std::span<const RecordField<Record>> fields,
                   std::initializer_list<const char*> needed, std::vector<Record>* records) {
    records->clear();
    if (list.IsNull()) return;
    if (!list.IsSequence()) {
      problems_->Refuse(At(list), list_name, Text(list), "a list of maps");
      return;
    }
    for (size_t i = 0; i < list.size(); ++i) {
      const std::string name = list_name + "[" + std::to_string(i) + "]";
      Record record;
      if (list[i].IsMap()) {
        ReadRecord(name, list[i], fields, needed, &record);
      } else {
        problems_->Refuse(At(list[i]), name, Text(list[i]), "a map");
      }
      records->push_back(std::move(record));
    }
  }

  // The fields of a map, those `needed` among them.
  template <typename Draft>
  void ReadRecord(const std::string& name, const YAML::Node& map,
                  std::span<const RecordField<Draft>> fields,
                  std::initializer_list<const char*> needed, Draft* draft) {
    std::set<std::string> seen;
    for (const auto& entry : map) {
      const YAML::Node key_node = entry.first;
      const std::string key = Text(key_node);
      const auto field =
          std::find_if(fields.begin(), fields.end(), [&](const auto& f) { return f.name == key; });
      if (field == fields.end()) {
        const auto nearest =
            std::min_element(fields.begin(), fields.end(), [&](const auto& a, const auto& b) {
              return EditDistance(key, a.name) < EditDistance(key, b.name);
            });
        problems_->RefuseUnknown(At(key_node), name + "." + key,
                                 name + "." + std::string(nearest->name));
      } else if (!seen.insert(key).second) {
        problems_->errors.push_back(At(key_node) + ": key '" + name + "." + key +
                                    "' is given twice");
      } else {
        SetField(name + "." + key, *field, entry.second, draft);
      }
    }
    for (const char* key : needed) {
      if (!seen.contains(key))
        problems_->errors.push_back(At(map) + ": key '" + name + "." + key + "' is missing");
    }
  }

  // A list of scalars counts as its elements joined by commas.
  template <typename Draft>
  void SetField(const std::string& name, const RecordField<Draft>& field, const YAML::Node& value,
                Draft* draft) {
    std::string text;
    bool scalars = value.IsScalar() || value.IsSequence();
    if (value.IsScalar()) text = value.Scalar();
    for (size_t i = 0; value.IsSequence() && i < value.size(); ++i) {
      scalars = scalars && value[i].IsScalar();
      if (value[i].IsScalar()) text += (text.empty() ? "" : ",") + value[i].Scalar();
    }
    if (!scalars) {
      problems_->Refuse(At(value), name, Text(value), field.allowed);
    } else if (const auto allowed = field.set(text, draft)) {
      problems_->Refuse(At(value), name, text, *allowed);
    }
  }

  // "file:line:column" of a node.
  std::string At(const YAML::Node& node) const {
    const YAML::Mark mark = node.Mark();
    return file_ + ":" + std::to_string(mark.line + 1) + ":" + std::to_string(mark.column + 1);
  }

  static std::string Text(const YAML::Node& node) {
    switch (node.Type()) {
      case YAML::NodeType::Scalar:
        return node.Scalar();
      case YAML::NodeType::Map:
        return "a map";
      case YAML::NodeType::Sequence:
        return "a list";
      default:
        return "nothing";
    }
  }

  const std::string& file_;
  Config* const config_;
  Problems* const problems_;
  std::map<std::string, int>* const lines_;
  std::set<std::string> seen_;
};

}  // namespace

void ReadYaml(const std::string& file, const std::string& text, Config* config, Problems* problems,
              std::map<std::string, int>* lines) {
  try {
    if (CountYamlDocuments(text) > 1) {
      problems->errors.push_back(file + ": has several YAML documents; allowed: one");
      return;
    }
    const YAML::Node document = YAML::Load(text);
    if (document.IsNull()) return;
    if (!document.IsMap()) {
      problems->errors.push_back(file + ":1:1: a map of keys is expected");
      return;
    }
    Reader(file, config, problems, lines).ReadSection("", document);
  } catch (const YAML::Exception& error) {
    problems->errors.push_back(file + ":" + std::to_string(error.mark.line + 1) + ":" +
                               std::to_string(error.mark.column + 1) + ": " + error.msg);
  }
}

}  // namespace skein::config
