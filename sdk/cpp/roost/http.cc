#include "roost/http.h"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstring>
#include <mutex>
#include <optional>

#include "base/strings.h"

namespace roost::client {
namespace {

void InitCurlOnce() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

bool IsLoopbackUrl(const std::string& url) {
  for (const char* host : {"://127.", "://localhost", "://[::1]"}) {
    if (url.find(host) != std::string::npos) return true;
  }
  return false;
}

// What the callbacks of one request share.
struct Transfer {
  const HttpRequest& request;
  HttpAnswer answer;
  std::optional<Error> failure;  // of a callback; ends the transfer
  std::size_t body_offset = 0;
  bool head_told = false;
};

bool TellHead(Transfer& transfer) {
  if (transfer.head_told) return true;
  transfer.head_told = true;
  if (transfer.answer.ok() && transfer.request.on_head) {
    if (auto told = transfer.request.on_head(transfer.answer); !told) {
      transfer.failure = told.error();
      return false;
    }
  }
  return true;
}

int StatusOf(std::string_view status_line) {
  int status = 0;
  const auto blank = status_line.find(' ');
  if (blank != std::string_view::npos) {
    std::from_chars(status_line.data() + blank + 1, status_line.data() + status_line.size(),
                    status);
  }
  return status;
}

// Called for each line of the head; the last one is empty.
std::size_t OnHeader(char* data, std::size_t size, std::size_t count, void* context) {
  auto& transfer = *static_cast<Transfer*>(context);
  const std::string_view line = Trim(std::string_view(data, size * count));
  if (line.starts_with("HTTP/")) {
    transfer.answer.status = StatusOf(line);
    transfer.answer.headers.clear();
  } else if (line.empty()) {
    // An interim answer ("100 Continue") is followed by the real one.
    const bool interim = transfer.answer.status < 200;
    if (!interim && !TellHead(transfer)) return 0;
  } else if (const auto colon = line.find(':'); colon != std::string_view::npos) {
    std::string name(line.substr(0, colon));
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    transfer.answer.headers[name] = std::string(Trim(line.substr(colon + 1)));
  }
  return size * count;
}

std::size_t OnBody(char* data, std::size_t size, std::size_t count, void* context) {
  auto& transfer = *static_cast<Transfer*>(context);
  const std::string_view piece(data, size * count);
  if (transfer.answer.ok() && transfer.request.on_body) {
    if (auto taken = transfer.request.on_body(piece); !taken) {
      transfer.failure = taken.error();
      return 0;
    }
  } else {
    transfer.answer.body.append(piece);
  }
  return piece.size();
}

std::size_t OnRead(char* buffer, std::size_t size, std::size_t count, void* context) {
  auto& transfer = *static_cast<Transfer*>(context);
  const std::size_t capacity = size * count;
  if (transfer.request.read_body) {
    auto made = transfer.request.read_body(buffer, capacity);
    if (!made) {
      transfer.failure = made.error();
      return CURL_READFUNC_ABORT;
    }
    return *made;
  }
  const std::string& body = transfer.request.body;
  const std::size_t length = std::min(capacity, body.size() - transfer.body_offset);
  std::memcpy(buffer, body.data() + transfer.body_offset, length);
  transfer.body_offset += length;
  return length;
}

// curl asks for a rewind when a kept-alive connection turns out to be dead before any answer.
int OnSeek(void* context, curl_off_t offset, int origin) {
  auto& transfer = *static_cast<Transfer*>(context);
  if (transfer.request.read_body || origin != SEEK_SET) return CURL_SEEKFUNC_CANTSEEK;
  transfer.body_offset = static_cast<std::size_t>(offset);
  return CURL_SEEKFUNC_OK;
}

std::string Lower(std::string text) {
  if (!text.empty()) {
    text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  }
  return text;
}

}  // namespace

std::string HttpAnswer::Header(const std::string& lower_case_name) const {
  const auto found = headers.find(lower_case_name);
  return found == headers.end() ? "" : found->second;
}

struct Http::State {
  CURLM* multi = nullptr;
  CURL* easy = nullptr;
  char curl_error[CURL_ERROR_SIZE] = "";
  std::atomic<bool> interrupted{false};

  ~State() {
    curl_easy_cleanup(easy);
    curl_multi_cleanup(multi);
  }

  void SetUp(const Options& options, const HttpRequest& request, Transfer& transfer,
             curl_slist* headers) {
    // Options are set anew for each request; connections stay with the multi handle.
    curl_easy_reset(easy);
    curl_error[0] = '\0';
    curl_easy_setopt(easy, CURLOPT_URL, (options.url + request.target).c_str());
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, curl_error);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     static_cast<long>(options.connect_timeout.count()));
    // A machine that vanishes during a silent stream is noticed by the kernel's probes.
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, 30L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, 10L);
    if (request.stall_limit.count() > 0) {
      curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
      curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME,
                       static_cast<long>(request.stall_limit.count()));
    }
    // A proxy of the user's network cannot reach this machine's own loopback.
    if (IsLoopbackUrl(options.url)) curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    if (!options.ca_file.empty()) {
      curl_easy_setopt(easy, CURLOPT_CAINFO, options.ca_file.c_str());
    }
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, OnHeader);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &transfer);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, OnBody);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer);
    SetUpBody(request, transfer);
  }

  void SetUpBody(const HttpRequest& request, Transfer& transfer) {
    if (request.method == "HEAD") {
      curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
      return;
    }
    const auto size =
        static_cast<curl_off_t>(request.read_body ? request.stream_size : request.body.size());
    if (request.method == "PUT") {
      curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
      curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, size);
    } else if (request.method == "POST" || size > 0) {
      curl_easy_setopt(easy, CURLOPT_POST, 1L);
      curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, size);
    }
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 512L * 1024);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 256L * 1024);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, OnRead);
    curl_easy_setopt(easy, CURLOPT_READDATA, &transfer);
    curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, OnSeek);
    curl_easy_setopt(easy, CURLOPT_SEEKDATA, &transfer);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }

  CURLcode Perform() {
    curl_multi_add_handle(multi, easy);
    CURLcode code = CURLE_ABORTED_BY_CALLBACK;
    int running = 1;
    while (running > 0 && !interrupted) {
      if (curl_multi_perform(multi, &running) != CURLM_OK) {
        code = CURLE_FAILED_INIT;
        break;
      }
      if (running > 0) curl_multi_poll(multi, nullptr, 0, 1000, nullptr);
    }
    int left = 0;
    while (CURLMsg* message = curl_multi_info_read(multi, &left)) {
      if (message->msg == CURLMSG_DONE) code = message->data.result;
    }
    curl_multi_remove_handle(multi, easy);
    return code;
  }
};

Http::Http(Options options) : options_(std::move(options)), state_(std::make_unique<State>()) {
  InitCurlOnce();
  while (options_.url.ends_with('/')) options_.url.pop_back();
  state_->multi = curl_multi_init();
  state_->easy = curl_easy_init();
}

Http::~Http() = default;

void Http::Interrupt() {
  state_->interrupted = true;
  curl_multi_wakeup(state_->multi);
}

bool Http::interrupted() const { return state_->interrupted; }

Result<HttpAnswer> Http::Send(const HttpRequest& request) {
  Transfer transfer{request, {}, {}, 0, false};

  curl_slist* headers = nullptr;
  // No "Expect: 100-continue": the server answers at once and the wait would cost a second.
  headers = curl_slist_append(headers, "Expect:");
  if (!options_.token.empty()) {
    headers = curl_slist_append(headers, ("Authorization: Bearer " + options_.token).c_str());
  }
  for (const auto& [name, value] : request.headers) {
    headers = curl_slist_append(headers, (name + ": " + value).c_str());
  }
  state_->SetUp(options_, request, transfer, headers);
  const CURLcode code = state_->Perform();
  curl_slist_free_all(headers);

  if (transfer.failure) return Fail(*transfer.failure);
  if (state_->interrupted) return Fail(ErrorCode::kUnavailable, "The request was interrupted.");
  if (code == CURLE_OK) return std::move(transfer.answer);
  const std::string why =
      state_->curl_error[0] != '\0' ? Lower(state_->curl_error) : Lower(curl_easy_strerror(code));
  if (code == CURLE_OPERATION_TIMEDOUT && transfer.head_told) {
    return Fail(ErrorCode::kDeadline,
                "The server at " + options_.url + " stopped answering: " + why);
  }
  if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
      code == CURLE_OPERATION_TIMEDOUT) {
    return Fail(ErrorCode::kUnavailable, "Cannot reach the server at " + options_.url + ": " + why);
  }
  if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL) {
    return Fail(ErrorCode::kInvalidArgument, "'" + options_.url +
                                                 "' is no address of a server: " + why +
                                                 ". An address looks like http://127.0.0.1:7070.");
  }
  return Fail(ErrorCode::kUnavailable,
              "The connection to the server at " + options_.url + " broke: " + why);
}

std::string EncodePart(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string encoded;
  for (const char raw : text) {
    const auto c = static_cast<unsigned char>(raw);
    if (std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.' || c == '~') {
      encoded.push_back(raw);
    } else {
      encoded.push_back('%');
      encoded.push_back(kHex[c >> 4]);
      encoded.push_back(kHex[c & 15]);
    }
  }
  return encoded;
}

std::string EncodePath(std::string_view path) {
  std::vector<std::string> parts = Split(path, '/');
  for (std::string& part : parts) part = EncodePart(part);
  return Join(parts, "/");
}

std::string EncodeQuery(const Query& query) {
  std::string text;
  for (const auto& [name, value] : query) {
    text += text.empty() ? '?' : '&';
    text += EncodePart(name) + "=" + EncodePart(value);
  }
  return text;
}

}  // namespace roost::client
