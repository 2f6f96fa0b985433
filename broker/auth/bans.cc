#include "broker/auth/bans.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"

namespace skein::auth {
namespace {

// One address however it is written: "::ffff:192.0.2.7" is "192.0.2.7".
std::string Key(const IpBytes& bytes) {
  return std::string(bytes.begin(), bytes.end());
}

std::pair<BanKind, std::string> KeyOf(BanKind kind, std::string_view who) {
  if (kind == BanKind::kAddress) {
    const std::optional<AddressRange> range = AddressRange::Parse(who);
    if (range.has_value() && range->single()) return {kind, Key(range->bytes())};
  }
  return {kind, std::string(who)};
}

}  // namespace

absl::Status Bans::Check(const Ban& ban) {
  if (ban.who.empty()) return absl::InvalidArgumentError("a ban without a name");
  if (ban.kind == BanKind::kAddress && !AddressRange::Parse(ban.who).has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", ban.who, "' is no address or range, 192.0.2.0/24"));
  }
  return absl::OkStatus();
}

absl::Status Bans::Configure(const Options& options, const std::vector<Ban>& configured) {
  for (const Ban& ban : configured) {
    if (const absl::Status status = Check(ban); !status.ok()) return status;
  }
  MutexLock lock(mutex_);
  Table next;
  for (const auto& [key, ban] : table_) {
    if (!ban.configured) next[key] = ban;
  }
  for (const Ban& ban : configured) {
    Ban& kept = next[KeyOf(ban.kind, ban.who)];
    kept = ban;
    kept.configured = true;
  }
  if (next.size() > options.max_bans) return absl::ResourceExhaustedError("too many bans");
  options_ = options;
  table_.swap(next);
  RebuildRanges();
  if (options.flapping_connects == 0) windows_.clear();
  anybody_.store(!table_.empty());
  watching_.store(options.flapping_connects > 0);
  return absl::OkStatus();
}

absl::Status Bans::Add(Ban ban) {
  if (const absl::Status status = Check(ban); !status.ok()) return status;
  auto key = KeyOf(ban.kind, ban.who);
  MutexLock lock(mutex_);
  if (table_.size() >= options_.max_bans && !table_.contains(key)) {
    DropPast(wall_clock_());
    if (table_.size() >= options_.max_bans) return absl::ResourceExhaustedError("too many bans");
  }
  const bool address = ban.kind == BanKind::kAddress;
  table_[std::move(key)] = std::move(ban);
  if (address) RebuildRanges();
  anybody_.store(true);
  return absl::OkStatus();
}

bool Bans::Remove(BanKind kind, std::string_view who) {
  MutexLock lock(mutex_);
  if (table_.erase(KeyOf(kind, who)) == 0) return false;
  RebuildRanges();
  anybody_.store(!table_.empty());
  return true;
}

std::optional<Ban> Bans::Get(BanKind kind, std::string_view who) const {
  const TimeMs now = wall_clock_();
  MutexLock lock(mutex_);
  const auto found = table_.find(KeyOf(kind, who));
  if (found == table_.end() || found->second.until <= now) return std::nullopt;
  return found->second;
}

std::vector<Ban> Bans::List() const {
  const TimeMs now = wall_clock_();
  std::vector<Ban> bans;
  MutexLock lock(mutex_);
  for (const auto& [key, ban] : table_) {
    if (ban.until > now) bans.push_back(ban);
  }
  return bans;
}

const Ban* Bans::FindIn(BanKind kind, std::string_view who, TimeMs now) const {
  const auto found = table_.find({kind, std::string(who)});
  return found == table_.end() || found->second.until <= now ? nullptr : &found->second;
}

const char* Bans::Find(std::string_view client_id, std::string_view user_name,
                       std::string_view address) const {
  if (!Anybody()) return nullptr;
  const TimeMs now = wall_clock_();
  MutexLock lock(mutex_);
  if (!client_id.empty() && FindIn(BanKind::kClientId, client_id, now) != nullptr)
    return "the client id is banned";
  if (!user_name.empty() && FindIn(BanKind::kUserName, user_name, now) != nullptr)
    return "the user name is banned";
  const std::optional<IpBytes> bytes = ParseIp(address);
  if (!bytes.has_value()) return nullptr;
  if (FindIn(BanKind::kAddress, Key(*bytes), now) != nullptr) return "the address is banned";
  for (const auto& [range, until] : ranges_) {
    if (until > now && range.Contains(*bytes)) return "the address is in a banned range";
  }
  return nullptr;
}

const char* Bans::NoteConnect(std::string_view client_id) {
  if (client_id.empty() || !watching_.load(std::memory_order_relaxed)) return nullptr;
  const TimeMs now = wall_clock_();
  MutexLock lock(mutex_);
  Window* const window = WindowOf(client_id, now);
  if (window == nullptr || ++window->connects <= options_.flapping_connects) return nullptr;
  windows_.erase(std::string(client_id));
  if (table_.size() >= options_.max_bans) DropPast(now);
  if (table_.size() >= options_.max_bans) return nullptr;
  Ban& ban = table_[{BanKind::kClientId, std::string(client_id)}];
  if (ban.configured) return nullptr;  // known and longer
  ban = {BanKind::kClientId, std::string(client_id), now + options_.flapping_ban_ms, "flapping"};
  anybody_.store(true);
  return "banned: the client connects too often (security.flapping_connects)";
}

Bans::Window* Bans::WindowOf(std::string_view client_id, TimeMs now) {
  const auto past = [now, length = options_.flapping_window_ms](const Window& window) {
    return now - window.began >= length;
  };
  const auto found = windows_.find(std::string(client_id));
  if (found != windows_.end()) {
    if (past(found->second)) found->second = {now, 0};
    return &found->second;
  }
  if (windows_.size() >= options_.max_watched) {
    absl::erase_if(windows_, [&](const auto& entry) { return past(entry.second); });
    if (windows_.size() >= options_.max_watched) return nullptr;
  }
  return &(windows_[std::string(client_id)] = {now, 0});
}

void Bans::RebuildRanges() {
  ranges_.clear();
  for (const auto& [key, ban] : table_) {
    if (ban.kind != BanKind::kAddress) continue;
    const std::optional<AddressRange> range = AddressRange::Parse(ban.who);
    if (range.has_value() && !range->single()) ranges_.emplace_back(*range, ban.until);
  }
}

void Bans::DropPast(TimeMs now) {
  std::erase_if(table_, [&](const auto& entry) { return entry.second.until <= now; });
  RebuildRanges();
}

}  // namespace skein::auth
