#include "engine/network.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <new>
#include <numeric>
#include <set>

#include "engine/layout.h"

namespace audio2vec {

namespace {

size_t aligned(size_t bytes) { return (bytes + 127) / 128 * 128; }

// Hands out parts of one block that is allocated after all sizes are known.
class Layout {
 public:
  size_t take(size_t bytes) {
    const size_t at = total_;
    total_ += aligned(bytes);
    return at;
  }
  size_t total() const { return total_; }

 private:
  size_t total_ = 0;
};

}  // namespace

struct Network::Pass {
  int strips, edge, stride;
  std::vector<Step> steps;
  // Kept tensors that come from or go to main memory here: fetched a strip prefetch.
  std::vector<const Tensor*> far;
  std::vector<long> work;  // what the last strip took, by thread: see plan_prefetch

  const Tensor& result() const { return *steps.back().y; }
  // Rows from one slice to the next, and rows of the result that the two share.
  long shift(long hop) const { return hop / stride; }
  long cached(long hop) const {
    if (stride == 0 || hop % stride != 0) return 0;
    return std::max(0L, result().T - 2 * edge - shift(hop));
  }
};

struct Network::Plan {
  struct Phase {
    int rows, group;
    std::vector<Pass> passes;
    std::vector<int> statistics, reduced;
    std::vector<const Tensor*> moved_in;  // where others may have been before
  };

  PlanSpec spec;
  std::vector<Tensor> tensors;
  std::vector<Conv> convs;
  std::vector<Norm> norms;
  std::vector<Phase> phases;
  std::vector<double> losses;  // per loss, per thread
  std::vector<double> scalars;
  std::vector<double> norm_doubles;  // sums and statistics of all norms
  std::vector<int> weight_maps;
  std::unique_ptr<Memory> memory;
  size_t bytes = 0;
  std::vector<int> owner;                     // of each layer's weights: the first layer that has them
  size_t gradients = 0, gradients_bytes = 0;  // where the threads' weight gradients lie in memory
  long packed_version = 0;
};

namespace {

// Values of a thread's weight gradient: in planar maps, every lane adds up the products of its own bands.
size_t gradient_size(const ConvShape& s, int V) { return size_t(s.size) * (s.planar ? V : 1); }

}  // namespace

Network::Network(const KernelTable& table, int threads, long max_examples, long parameters,
                 std::vector<TrainableRange> trainable)
    : table_(table),
      threads_(threads < 1 ? 1 : threads),
      max_examples_(max_examples),
      parameters_(parameters),
      trainable_(std::move(trainable)),
      memory_(4 * aligned(size_t(parameters) * table.real_bytes)) {
  const size_t bytes = aligned(size_t(parameters) * table.real_bytes);
  params_ = memory_.data();
  gradients_ = memory_.data() + bytes;
  first_ = memory_.data() + 2 * bytes;
  second_ = memory_.data() + 3 * bytes;
  bytes_ = 4 * bytes;
}

Network::~Network() {
  for (Plan* p : plans_) delete p;
}

int Network::add_plan(const PlanSpec& spec) {
  auto plan = std::make_unique<Plan>();
  plan->spec = spec;
  const int V = table_.lanes, threads = threads_;
  const size_t real = table_.real_bytes;
  Layout layout;

  std::vector<size_t> tensor_at;
  std::vector<LiveRange> ranges;  // of maps that may share memory with others
  for (const TensorSpec& s : spec.tensors) {
    Tensor t = s.vector ? vector_layout(s.c, V) : map_layout(s.t, s.f, s.c, V, s.planar, s.folded);
    t.group = s.group;
    t.strip = s.strip;
    const size_t units = s.group ? size_t(s.group) * threads : size_t(max_examples_) * s.rows;
    const size_t bytes = aligned(values_of(t, units, V) * real);
    const bool shares = s.from >= 0 && t.C == t.Cp;  // padding channels stay zero, which others would not leave them
    if (shares) ranges.push_back({plan->tensors.size(), bytes, s.from, s.to});
    tensor_at.push_back(shares ? 0 : layout.take(bytes));
    plan->tensors.push_back(t);
  }
  const size_t shared_at = layout.take(place_live_ranges(ranges));
  for (const LiveRange& range : ranges) tensor_at[range.tensor] = shared_at + range.at;

  struct ConvPlaces {
    size_t packed, backward, bias;
    long map, map_backward;
  };
  std::vector<ConvPlaces> places;
  long map_size = 0, tiles = 0;
  for (const ConvSpec& s : spec.convs) {
    Conv c{};
    c.kind = s.kind;
    c.window = {s.kt, s.kf, s.strideT, s.strideF, s.dilationT, s.dilationF, s.padT, s.padF};
    if (s.kind == CONV_WINDOW || s.kind == CONV_DEPTHWISE) {
      c.forward = c.weights = window_shape(s.kind, s.cin, s.cout, c.window, 0, V);
      c.backward = window_shape(s.kind, s.cout, s.cin, c.window, 1, V);
    } else {
      const Tensor in =
          s.kind == CONV_DENSE ? vector_layout(s.cin, V) : map_layout(1, s.fIn, s.cin, V, s.planar, s.folded);
      const Tensor out =
          s.kind == CONV_DENSE ? vector_layout(s.cout, V) : map_layout(1, s.fOut, s.cout, V, s.planar, s.folded);
      c.forward = conv_shape(in, out, s.kt, s.kf, s.upsampled, 0, V, table_.accumulators, s.winograd);
      c.backward = conv_shape(out, in, s.kt, s.kf, s.upsampled, 1, V, table_.accumulators, s.winograd);
      c.weights = s.winograd && !s.winogradWeights && spec.training
                      ? conv_shape(in, out, s.kt, s.kf, s.upsampled, 0, V, table_.accumulators, 0)
                      : c.forward;
    }
    c.folded_norm = s.foldedNorm;
    c.weight = s.weight;
    c.bias = s.bias;
    ConvPlaces p{};
    p.packed = layout.take(c.forward.size * real);
    p.backward = s.backward ? layout.take(c.backward.size * real) : 0;
    p.bias = layout.take(size_t(c.forward.vectors) * V * real);
    p.map = map_size;
    if (!c.weights.winograd) map_size += 2 * c.weights.size;
    p.map_backward = map_size;
    if (s.backward && !c.backward.winograd) map_size += 2 * c.backward.size;
    places.push_back(p);
    tiles = std::max({tiles, winograd_tiles_size(c, spec.training), copied_rows_size(c.forward, c.window, s.fOut),
                      copied_rows_size(c.backward, c.window, s.fIn)});
    plan->convs.push_back(c);
    const auto same = [&](const Conv& other) { return other.weight == c.weight; };
    plan->owner.push_back(std::find_if(plan->convs.begin(), plan->convs.end(), same) - plan->convs.begin());
  }
  const size_t tiles_at = layout.take(threads * tiles * real);
  plan->gradients = layout.total();
  std::vector<size_t> gradient_at, bias_gradient_at;
  for (const Conv& c : plan->convs) {
    gradient_at.push_back(layout.take(spec.training ? threads * gradient_size(c.weights, V) * real : 0));
    bias_gradient_at.push_back(layout.take(spec.training ? size_t(threads) * c.forward.vectors * V * real : 0));
  }
  plan->gradients_bytes = layout.total() - plan->gradients;

  std::vector<size_t> norm_at;
  size_t doubles = 0;
  for (const NormSpec& s : spec.norms) {
    const Tensor t = map_layout(1, s.f, s.c, V, s.planar, s.folded);
    Norm n{};
    n.C = s.c;
    n.Cp = t.Cp;
    n.column = t.column;
    n.planar = t.planar;
    n.relu = s.relu;
    n.running = s.running;
    n.copies = s.copies;
    n.weight = s.weight;
    n.bias = s.bias;
    n.mean = s.mean;
    n.var = s.var;
    norm_at.push_back(layout.take(size_t(5) * t.column * real));
    doubles += size_t(2 * threads + 3) * s.c + (s.single < 0 ? 0 : threads * tap_sums_size(s.c));
    plan->norms.push_back(n);
  }

  std::vector<size_t> scratch_at;
  for (const ScratchSpec& s : spec.scratches)
    scratch_at.push_back(layout.take((size_t(s.perThread) * threads + size_t(s.perExample) * max_examples_ +
                                      size_t(s.perPair) * max_examples_ * max_examples_) *
                                     real));

  plan->memory = std::make_unique<Memory>(layout.total());
  plan->bytes = layout.total();
  bytes_ += plan->bytes;
  char* base = plan->memory->data();
  for (size_t i = 0; i < plan->tensors.size(); i++) plan->tensors[i].data = base + tensor_at[i];

  plan->weight_maps.resize(map_size);
  for (size_t i = 0; i < plan->convs.size(); i++) {
    Conv& c = plan->convs[i];
    const bool backward = spec.convs[i].backward;
    int* map = plan->weight_maps.data() + places[i].map;
    table_.map_weights(c.weights, map);
    c.parameter = map;
    if (backward) {
      int* flipped = plan->weight_maps.data() + places[i].map_backward;
      table_.map_weights(c.backward, flipped);
      c.parameter_backward = flipped;
    }
    c.packed = base + places[i].packed;
    c.packed_backward = backward ? base + places[i].backward : nullptr;
    c.packed_bias = c.bias >= 0 || c.folded_norm >= 0 ? base + places[i].bias : nullptr;
    c.tiles = base + tiles_at;
    c.tiles_size = tiles;
    c.gradient = base + gradient_at[i];
    c.bias_gradient = base + bias_gradient_at[i];
  }
  plan->norm_doubles.resize(doubles);
  double* next = plan->norm_doubles.data();
  for (size_t i = 0; i < plan->norms.size(); i++) {
    Norm& n = plan->norms[i];
    n.scale = base + norm_at[i];
    n.shift = base + norm_at[i] + n.column * real;
    n.apply = base + norm_at[i] + 2 * n.column * real;
    n.sums = next;
    n.statistics = next + size_t(threads) * 2 * n.C;
    next += size_t(2 * threads + 3) * n.C;
    if (spec.norms[i].single < 0) continue;
    n.single = &plan->convs[spec.norms[i].single];
    n.tap_gradients = spec.norms[i].tapGradients;
    n.taps = next;
    next += threads * tap_sums_size(n.C);
  }
  plan->losses.resize(size_t(spec.losses) * threads);
  plan->scalars = spec.scalars;

  const auto tensor = [&](int i) { return i < 0 ? nullptr : &plan->tensors[i]; };
  for (const PhaseSpec& ps : spec.phases) {
    Plan::Phase phase{ps.rows, ps.group, {}, ps.statistics, ps.reduced, {}};
    std::set<const Tensor*> near;  // what this phase has already touched
    for (const PassSpec& pass : ps.passes) {
      Pass out{pass.strips, pass.edge, pass.stride, {}, {}, std::vector<long>(threads)};
      for (const StepSpec& s : pass.steps) {
        Step step{};
        step.op = s.kind;
        step.x = tensor(s.x);
        step.b = tensor(s.b);
        step.g = tensor(s.g);
        step.y = tensor(s.y);
        step.y2 = tensor(s.y2);
        step.conv = s.conv < 0 ? nullptr : &plan->convs[s.conv];
        step.norm = s.norm < 0 ? nullptr : &plan->norms[s.norm];
        step.norm2 = s.norm2 < 0 ? nullptr : &plan->norms[s.norm2];
        step.relu = s.relu;
        step.accumulate = s.accumulate;
        step.rows = s.rows;
        step.first = s.first;
        step.count = s.count;
        step.kt = s.kt;
        step.kf = s.kf;
        step.strideT = s.strideT;
        step.strideF = s.strideF;
        step.padT = s.padT;
        step.padF = s.padF;
        step.scalar = s.scalar < 0 ? nullptr : &plan->scalars[s.scalar];
        step.weight = s.weight;
        step.number = s.number;
        step.loss = s.loss < 0 ? nullptr : &plan->losses[size_t(s.loss) * threads];
        step.scratch = s.scratch < 0 ? nullptr : base + scratch_at[s.scratch];
        out.steps.push_back(step);
        for (const Tensor* t : {step.x, step.b, step.g, step.y, step.y2})
          if (t && !t->group && near.insert(t).second) out.far.push_back(t);
      }
      phase.passes.push_back(std::move(out));
    }
    plan->phases.push_back(std::move(phase));
  }
  for (const LiveRange& own : ranges) {
    const auto meets = [&](const LiveRange& l) {
      return &l != &own && l.at < own.at + own.bytes && own.at < l.at + l.bytes;
    };
    if (std::any_of(ranges.begin(), ranges.end(), meets))
      plan->phases[own.from].moved_in.push_back(&plan->tensors[own.tensor]);
  }
  auto place = std::find(plans_.begin(), plans_.end(), nullptr);
  if (place == plans_.end()) place = plans_.insert(place, nullptr);
  *place = plan.release();
  return int(place - plans_.begin());
}

void Network::remove_plan(int index) {
  bytes_ -= plans_[index]->bytes;
  delete plans_[index];
  plans_[index] = nullptr;
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

// What to ask for while a strip is computed: the rows of kept tensors in the one after it, `next`. Strips are too short
// for the processor's own prefetching to see them coming. `work`: how much the strip before this one took.
void plan_prefetch(Prefetch& prefetch, const std::vector<const Tensor*>& far, const Range& next, int real_bytes,
                   long work) {
  prefetch.count = 0;
  prefetch.work = prefetch.due = 0;
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
  for (const Plan::Phase& phase : plans_[index]->phases)
    for (const Pass& pass : phase.passes) bytes += pass.cached(hop) * pass.result().pitch * table_.real_bytes;
  return bytes;
}

// All strips of a pass for the units of `r`, up to `end` being this thread's. With `cache`, which `kept` walks through,
// those rows of the result that the slice before has are taken from there.
void Network::run_pass(Pass& pass, Range& r, long end, const RowCache* cache, char*& kept) {
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
    std::memcpy(first + pass.edge * row_bytes, kept, cached * row_bytes);
    run_strips(0, pass.edge, rows);
    run_strips(pass.edge + cached, rows, at_once);
  } else {
    run_strips(0, rows, at_once);
  }
  std::memcpy(kept, first + (pass.edge + pass.shift(cache->hop)) * row_bytes, cached * row_bytes);
  kept += cached * row_bytes;
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

  char* kept = cache ? cache->rows : nullptr;
  for (Plan::Phase& phase : plan.phases) {
    for (Pass& pass : phase.passes)
      for (Step& s : pass.steps) s.examples = examples;
    const long units = examples * phase.rows;
    on_threads(threads_, [&](int t) {
      Prefetch prefetch;
      // What inference keeps from one phase to the next is little and still in the L2 cache.
      Range r{0, 0, t, threads};
      if (plan.spec.training) r.prefetch = &prefetch;
      const long end = units * (t + 1) / threads;
      for (long n = units * t / threads; n < end; n = r.n1) {
        r.n0 = n;
        r.n1 = std::min(end, n + phase.group);
        for (const Tensor* map : phase.moved_in)
          for (long unit = r.n0; unit < r.n1; unit++) clear_borders(*map, unit, table_.real_bytes);
        for (Pass& pass : phase.passes) run_pass(pass, r, end, cache, kept);
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
