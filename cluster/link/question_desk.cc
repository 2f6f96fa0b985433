#include "cluster/link/question_desk.h"

#include <utility>

namespace skein::cluster {

QuestionDesk::QuestionDesk(admin::Handler handler) : handler_(std::move(handler)) {
  for (size_t i = 0; i < kThreads; ++i)
    threads_.emplace_back([this] { Run(); });
}

void QuestionDesk::Take(AskedQuestion asked) {
  {
    const std::lock_guard lock(mutex_);
    if (!stopping_ && handler_ != nullptr && waiting_.size() < kWaiting) {
      waiting_.push_back(std::move(asked));
      wake_.notify_one();
      return;
    }
  }
  asked.reply("the node answers no more questions now");
}

void QuestionDesk::Stop() {
  std::deque<AskedQuestion> refused;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    refused.swap(waiting_);
    wake_.notify_all();
  }
  for (const AskedQuestion& asked : refused)
    asked.reply("the node stops");
  for (std::thread& thread : threads_)
    thread.join();
  threads_.clear();
}

void QuestionDesk::Run() {
  for (;;) {
    AskedQuestion asked;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      asked = std::move(waiting_.front());
      waiting_.pop_front();
    }
    admin::Response response = handler_(ToRequest(*asked.question));
    const bool large = response.body.size() > kMostBytes;
    asked.answer->set_status(static_cast<uint32_t>(response.status));
    if (!large) asked.answer->set_body(std::move(response.body));
    asked.reply(large ? "the answer is too large" : "");
  }
}

v1::Question ToQuestion(const admin::Request& request) {
  v1::Question question;
  question.set_who(request.who);
  question.set_method(request.method);
  question.set_path(request.path);
  question.set_body(request.body);
  for (const auto& [name, value] : request.query) {
    v1::Parameter& parameter = *question.add_query();
    parameter.set_name(name);
    parameter.set_value(value);
  }
  return question;
}

admin::Request ToRequest(const v1::Question& question) {
  admin::Request request;
  request.from_node = true;
  request.peer = question.node();
  request.who = question.who();
  request.method = question.method();
  request.path = question.path();
  request.body = question.body();
  for (const v1::Parameter& parameter : question.query())
    request.query.emplace(parameter.name(), parameter.value());
  return request;
}

}  // namespace skein::cluster
