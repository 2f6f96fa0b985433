// See yaml_reader.h. yaml-cpp throws; nothing of that leaves this file.
#include "cmd/skeinmqd/yaml_reader.h"

#include <algorithm>
#include <set>
#include <vector>

#include "cmd/skeinmqd/keys.h"
#include "cmd/skeinmqd/listener_url.h"
#include "yaml-cpp/yaml.h"

namespace skein::config {
namespace {

class Reader {
 public:
  Reader(const std::string& file, Config* config, Problems* problems)
      : file_(file), config_(config), problems_(problems) {}

  // Reads a map of keys below `prefix` ("" or "limits.").
  void ReadSection(const std::string& prefix, const YAML::Node& map) {
    for (const auto& entry : map) {
      const YAML::Node key_node = entry.first;
      const YAML::Node value = entry.second;
      const std::string name = prefix + Text(key_node);
      if (!seen_.insert(name).second) {
        problems_->errors.push_back(At(key_node) + ": key '" + name + "' is given twice");
      } else if (name == "listeners") {
        ReadListeners(value);
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
    for (size_t i = 0; i < list.size(); ++i) {
      const std::string name = "listeners[" + std::to_string(i) + "]";
      ListenerDraft draft;
      if (list[i].IsScalar()) {
        SetField(name, *FindField("url"), list[i], &draft);
      } else if (list[i].IsMap()) {
        ReadListener(name, list[i], &draft);
      } else {
        problems_->Refuse(At(list[i]), name, Text(list[i]), "a URL or a map with 'url'");
      }
      config_->listeners.push_back(FinishListener(draft));
    }
  }

  void ReadListener(const std::string& name, const YAML::Node& map, ListenerDraft* draft) {
    std::set<std::string> seen;
    for (const auto& entry : map) {
      const YAML::Node key_node = entry.first;
      const YAML::Node value = entry.second;
      const std::string key = Text(key_node);
      const ListenerField* const field = FindField(key);
      if (field == nullptr) {
        problems_->RefuseUnknown(At(key_node), name + "." + key, name + "." + NearestField(key));
      } else if (!seen.insert(key).second) {
        problems_->errors.push_back(At(key_node) + ": key '" + name + "." + key +
                                    "' is given twice");
      } else {
        SetField(name + "." + key, *field, value, draft);
      }
    }
    if (!seen.contains("url")) {
      problems_->errors.push_back(At(map) + ": key '" + name + ".url' is missing");
    }
  }

  void SetField(const std::string& name, const ListenerField& field, const YAML::Node& value,
                ListenerDraft* draft) {
    if (!value.IsScalar()) {
      problems_->Refuse(At(value), name, Text(value), field.allowed);
    } else if (const auto allowed = field.set(value.Scalar(), draft)) {
      problems_->Refuse(At(value), name, value.Scalar(), *allowed);
    }
  }

  static const ListenerField* FindField(std::string_view name) {
    for (const ListenerField& field : ListenerFields()) {
      if (field.name == name) return &field;
    }
    return nullptr;
  }

  static std::string NearestField(std::string_view name) {
    const auto fields = ListenerFields();
    return std::string(
        std::min_element(fields.begin(), fields.end(), [&](const auto& a, const auto& b) {
          return EditDistance(name, a.name) < EditDistance(name, b.name);
        })->name);
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
  std::set<std::string> seen_;
};

}  // namespace

void ReadYaml(const std::string& file, const std::string& text, Config* config,
              Problems* problems) {
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(text);
    if (documents.size() > 1) {
      problems->errors.push_back(file + ": has several YAML documents; allowed: one");
      return;
    }
    if (documents.empty() || documents[0].IsNull()) return;
    if (!documents[0].IsMap()) {
      problems->errors.push_back(file + ":1:1: a map of keys is expected");
      return;
    }
    Reader(file, config, problems).ReadSection("", documents[0]);
  } catch (const YAML::Exception& error) {
    problems->errors.push_back(file + ":" + std::to_string(error.mark.line + 1) + ":" +
                               std::to_string(error.mark.column + 1) + ": " + error.msg);
  }
}

}  // namespace skein::config
