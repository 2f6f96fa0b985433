// Whether a text is one YAML document.
//
// Purpose: a file of ours is one document; yaml-cpp's LoadAll(), which would tell, never ends on
// some texts ("[a], b"), and Load() passes over what follows the first. Thread: pure. Errors:
// throws YAML::Exception, as the parser does.
#pragma once

#include <string>

namespace skein {

// 0, 1, or 2 for several.
int CountYamlDocuments(const std::string& text);

}  // namespace skein
