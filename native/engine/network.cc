#include "engine/network.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "engine/layout.h"
#include "engine/plan.h"

namespace audio2vec {

namespace {

size_t part_bytes(size_t bytes) { return aligned(bytes) + kGuardBytes; }

}  // namespace

Network::Network(const KernelTable& table, int threads, long max_examples, long parameters,
                 std::vector<TrainableRange> trainable)
    : table_(table),
      threads_(threads < 1 ? 1 : threads),
      max_examples_(max_examples),
      parameters_(parameters),
      trainable_(std::move(trainable)),
      memory_(4 * part_bytes(size_t(parameters) * table.real_bytes)) {
  const size_t used = size_t(parameters) * table.real_bytes, bytes = part_bytes(used);
  params_ = memory_.data();
  gradients_ = memory_.data() + bytes;
  first_ = memory_.data() + 2 * bytes;
  second_ = memory_.data() + 3 * bytes;
  for (int i = 0; i < 4; i++) guard(memory_.data() + i * bytes + used, bytes - used);
  bytes_ = 4 * bytes;
}

Network::~Network() = default;

int Network::add_plan(const PlanSpec& spec) {
  auto plan = make_plan(spec, table_, threads_, max_examples_);
  bytes_ += plan->bytes;
  auto place = std::find(plans_.begin(), plans_.end(), nullptr);
  if (place == plans_.end()) place = plans_.emplace(place);
  *place = std::move(plan);
  return int(place - plans_.begin());
}

void Network::remove_plan(int index) {
  bytes_ -= plans_[index]->bytes;
  plans_[index].reset();
}

namespace {

template <typename Fn>
void on_threads(int threads, Fn fn) {
  run_on_threads(threads, [](void* context, int thread) { (*static_cast<Fn*>(context))(thread); }, &fn);
}

// The strip after this one, or the first of the next units.
Range next_strip(const Range& r, long end) {
  Range next = r;
  next.strip = r.strip_end < r.strips ? r.strip_end : 0;
  next.strip_end = next.strip + 1;
  if (next.strip > 0) return next;
  next.n0 = std::min(end, r.n1);
  next.n1 = std::min(end, r.n1 + (r.n1 - r.n0));
  return next;
}

// What to prefetch while a strip is computed: the rows of saved tensors in the one after it, `next`. Strips are too
// short for the processor's own prefetching to see them coming. `work`: how much the strip before this one took.
void plan_prefetch(Prefetch& prefetch, const std::vector<const Tensor*>& far, const Range& next, int real_bytes,
                   long work) {
  prefetch.count = 0;
  prefetch.work = prefetch.credit = 0;
  long bursts = 0;
  for (const Tensor* t : far) {
    if (next.n0 >= next.n1 || prefetch.count == Prefetch::kMost) break;
    const long r0 = first_row(*t, next), r1 = last_row(*t, next);
    const char* unit = t->data + (next.n0 * t->unit_stride + t->origin) * real_bytes;
    const long end = (next.n1 - next.n0 - 1) * t->unit_stride + r1 * t->pitch;  // several units only in a single strip
    prefetch.lines[prefetch.count++] = {unit + r0 * t->pitch * real_bytes, unit + end * real_bytes};
    bursts += (end - r0 * t->pitch) * real_bytes / Prefetch::kBurst + 1;
  }
  prefetch.share = work > 0 ? (bursts << Prefetch::kShareBits) / work + 1 : 0;
}

}  // namespace

void Network::pack(Plan& plan) {
  if (plan.packed_version == version_) return;
  plan.packed_version = version_;
  if (!plan.spec.training)
    for (Norm& n : plan.norms) table_.use_running_statistics(n, params_);
  on_threads(threads_, [&](int thread) {
    for (size_t i = thread; i < plan.convs.size(); i += threads_) {
      const Conv& c = plan.convs[i];
      table_.pack_conv(c, params_, c.folded_norm < 0 ? nullptr : &plan.norms[c.folded_norm]);
    }
  });
}

size_t Network::cached_bytes(int index, long hop) const {
  size_t bytes = 0;
  for (const Phase& phase : plans_[index]->phases)
    for (const Pass& pass : phase.passes) bytes += pass.cached(hop) * pass.result().pitch * table_.real_bytes;
  return bytes;
}

// All strips of a pass for the units of `r`, up to `end` being this thread's. With `cache`, whose rows `cached_rows`
// walks through, those rows of the result that the slice before has are taken from there.
void Network::run_pass(Pass& pass, Range& r, long end, const RowCache* cache, char*& cached_rows) {
  const auto run_strips = [&](int from, int to, int at_once) {
    for (r.strip = from; r.strip < to; r.strip = r.strip_end) {
      r.strip_end = std::min(to, r.strip + at_once);
      if (r.prefetch) plan_prefetch(*r.prefetch, pass.far, next_strip(r, end), table_.real_bytes, pass.work[r.thread]);
      for (const Step& step : pass.steps) table_.steps[step.op](step, r);
      if (r.prefetch) pass.work[r.thread] = r.prefetch->work;
    }
  };
  const long cached = cache ? pass.cached(cache->hop) : 0;
  r.strips = pass.strips;
  if (cached == 0) return run_strips(0, r.strips, 1);

  // Row by row, so that any can be left out; as many at a time as otherwise.
  const Tensor& result = pass.result();
  const int rows = r.strips = result.T, at_once = rows / pass.strips;
  const size_t row_bytes = result.pitch * table_.real_bytes;
  char* first = result.data + result.origin * table_.real_bytes;
  if (cache->filled) {
    std::memcpy(first + pass.edge * row_bytes, cached_rows, cached * row_bytes);
    run_strips(0, pass.edge, rows);
    run_strips(pass.edge + cached, rows, at_once);
  } else {
    run_strips(0, rows, at_once);
  }
  std::memcpy(cached_rows, first + (pass.edge + pass.shift(cache->hop)) * row_bytes, cached * row_bytes);
  cached_rows += cached * row_bytes;
}

void Network::run(int index, long examples, const std::vector<Input>& inputs, const double* scalars,
                  const RowCache* cache, double* losses) {
  Plan& plan = *plans_[index];
  const int threads = threads_;
  pack(plan);
  for (size_t i = 0; i < plan.scalars.size(); i++) plan.scalars[i] = scalars ? scalars[i] : plan.spec.scalars[i];
  std::fill(plan.losses.begin(), plan.losses.end(), 0.0);
  if (plan.spec.training) {
    std::fill(plan.norm_doubles.begin(), plan.norm_doubles.end(), 0.0);
    for (size_t i = 0; i < plan.norms.size(); i++) {
      Norm& n = plan.norms[i];
      n.count = plan.spec.norms[i].count * examples;
      if (n.running) table_.use_running_statistics(n, params_);
    }
  }
  on_threads(threads_, [&](int t) {
    for (const Input& input : inputs) {
      const long units = examples * plan.spec.tensors[input.tensor].rows;
      const Range r{units * t / threads, units * (t + 1) / threads, t, threads};
      table_.write_input(plan.tensors[input.tensor], r, input.args);
    }
    if (plan.spec.training) {  // each thread clears a share of what will be added to
      const size_t a = plan.gradients_bytes * t / threads / 64 * 64;
      const size_t b = t + 1 == threads ? plan.gradients_bytes : plan.gradients_bytes * (t + 1) / threads / 64 * 64;
      std::memset(plan.memory->data() + plan.gradients + a, 0, b - a);
    }
  });
  if (plan.spec.training) std::memset(gradients_, 0, size_t(parameters_) * table_.real_bytes);

  char* cached_rows = cache ? cache->rows : nullptr;
  for (Phase& phase : plan.phases) {
    for (Pass& pass : phase.passes)
      for (Step& s : pass.steps) s.examples = examples;
    const long units = examples * phase.rows;
    on_threads(threads_, [&](int t) {
      Prefetch prefetch;
      // What inference saves from one phase to the next is little and still in the L2 cache.
      Range r{0, 0, t, threads};
      if (plan.spec.training) r.prefetch = &prefetch;
      const long end = units * (t + 1) / threads;
      for (long n = units * t / threads; n < end; n = r.n1) {
        r.n0 = n;
        r.n1 = std::min(end, n + phase.group);
        for (const Tensor* map : phase.moved_in)
          for (long unit = r.n0; unit < r.n1; unit++) clear_borders(*map, unit, table_.real_bytes);
        for (Pass& pass : phase.passes) run_pass(pass, r, end, cache, cached_rows);
      }
    });
    for (int i : phase.statistics) {
      Norm& n = plan.norms[i];
      table_.finish_statistics(n, params_, threads);
      std::fill(n.sums, n.sums + size_t(threads) * 2 * n.C, 0.0);
    }
    for (int i : phase.reduced) table_.finish_reduce(plan.norms[i], params_, gradients_, threads);
  }

  if (plan.spec.training)
    on_threads(threads_, [&](int t) {
      // Layers that share weights add to the same gradient: on one thread, in their order.
      for (size_t i = 0; i < plan.convs.size(); i++)
        if (plan.owner[i] % threads == t) table_.unpack_gradient(plan.convs[i], gradients_, threads);
    });
  for (int l = 0; l < plan.spec.losses; l++) {
    const double* parts = &plan.losses[size_t(l) * threads];
    losses[l] = std::accumulate(parts, parts + threads, 0.0);
  }
}

bool Network::finite(int index, const double* losses) const {
  return std::all_of(losses, losses + plans_[index]->spec.losses, [](double loss) { return std::isfinite(loss); });
}

void Network::update(int index, const UpdateArgs& optimiser) {
  const Plan& plan = *plans_[index];
  if (plan.spec.training)
    for (const Norm& n : plan.norms)
      if (!n.running) table_.move_running_statistics(n, params_);
  UpdateArgs a = optimiser;
  steps_++;
  a.correction1 = 1 - std::pow(a.beta1, double(steps_));
  a.correction2 = 1 - std::pow(a.beta2, double(steps_));
  on_threads(threads_, [&](int t) {
    for (const TrainableRange& range : trainable_) {
      UpdateArgs own = a;
      if (!range.decays) own.weight_decay = 0;
      table_.updates[a.rule](params_, gradients_, first_, second_, range.offset + range.size * t / threads_,
                             range.offset + range.size * (t + 1) / threads_, own);
    }
  });
  version_++;
}

void Network::set_parameters(const double* p) {
  table_.reals_from_doubles(params_, p, parameters_);
  version_++;
}
void Network::get_parameters(double* p) const { table_.doubles_from_reals(p, params_, parameters_); }
void Network::set_gradients(const double* g) { table_.reals_from_doubles(gradients_, g, parameters_); }
void Network::get_gradients(double* g) const { table_.doubles_from_reals(g, gradients_, parameters_); }
void Network::set_moments(const double* m, const double* v, long steps) {
  table_.reals_from_doubles(first_, m, parameters_);
  table_.reals_from_doubles(second_, v, parameters_);
  steps_ = steps;
}
void Network::get_moments(double* m, double* v) const {
  table_.doubles_from_reals(m, first_, parameters_);
  table_.doubles_from_reals(v, second_, parameters_);
}

void Network::read_output(int plan, int tensor, long examples, float* out) {
  const Range r{0, examples * plans_[plan]->spec.tensors[tensor].rows, 0, 1};
  table_.read_output(plans_[plan]->tensors[tensor], r, out);
}

}  // namespace audio2vec
