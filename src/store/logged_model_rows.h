#pragma once

#include <optional>
#include <string>
#include <vector>

#include "store/database.h"
#include "store/logged_models.h"

// Reading logged models out of their tables; shared by the noun and its search.
namespace roost::store {

Result<std::optional<LoggedModel>> LoadLoggedModel(Connection& db, const std::string& id);
// In the order of `keys`; one that is gone is left out.
Result<std::vector<LoggedModel>> LoadLoggedModels(Connection& db,
                                                  const std::vector<std::int64_t>& keys);

}  // namespace roost::store
