#pragma once

#include <string_view>

namespace roost::cli {

// Tells systemd about this service ("READY=1", "STOPPING=1") when NOTIFY_SOCKET is set; otherwise
// does nothing.
void NotifySystemd(std::string_view state);

}  // namespace roost::cli
