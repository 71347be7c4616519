#include "spec/shown_address.h"

namespace roost::spec {

std::string ShownAddress(std::string_view url) {
  const auto scheme = url.find("://");
  const auto begin = scheme == std::string_view::npos ? 0 : scheme + 3;
  const std::string_view rest = url.substr(begin, url.find_first_of("?#", begin) - begin);
  const auto at = rest.substr(0, rest.find('/')).rfind('@');
  const std::string_view shown = at == std::string_view::npos ? rest : rest.substr(at + 1);
  return std::string(url.substr(0, begin)).append(shown);
}

}  // namespace roost::spec
