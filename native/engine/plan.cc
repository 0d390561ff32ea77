#include "engine/plan.h"

#include <set>

#include "engine/layout.h"

namespace audio2vec {

namespace {

// Hands out parts of one block that is allocated after all sizes are known.
class Layout {
 public:
  size_t take(size_t bytes) {
    const size_t at = take_beside(bytes);
    guard_last();
    return at;
  }
  // One of several parts that are also used as a whole; the last is followed by guard_last().
  size_t take_beside(size_t bytes) {
    const size_t at = total_;
    end_ = at + bytes;
    total_ += aligned(bytes);
    return at;
  }
  void guard_last() {
    total_ += kGuardBytes;
    if (kGuardBytes > 0) guards_.push_back({end_, total_});
  }
  size_t total() const { return total_; }
  size_t end_of_last() const { return end_; }
  void guard_parts(char* block) const {
    for (const Guard& g : guards_) guard(block + g.from, g.to - g.from);
  }

 private:
  struct Guard {
    size_t from, to;
  };
  size_t total_ = 0, end_ = 0;
  std::vector<Guard> guards_;
};

// Values of a thread's weight gradient: in planar maps, every lane adds up the products of its own bands.
size_t gradient_size(const ConvShape& s, int V) { return size_t(s.size) * (s.planar ? V : 1); }

// First everything takes its place, then the block is allocated and pointers into it are set.
class PlanMaker {
 public:
  PlanMaker(const PlanSpec& spec, const KernelTable& table, int threads, long max_examples)
      : spec_(spec),
        table_(table),
        V_(table.lanes),
        threads_(threads),
        max_examples_(max_examples),
        real_(table.real_bytes),
        plan_(std::make_unique<Plan>()) {
    plan_->spec = spec;
  }

  std::unique_ptr<Plan> make() {
    place_tensors();
    place_convs();
    place_norms();
    for (const ScratchSpec& s : spec_.scratches)
      scratch_at_.push_back(layout_.take((size_t(s.perThread) * threads_ + size_t(s.perExample) * max_examples_ +
                                          size_t(s.perPair) * max_examples_ * max_examples_) *
                                         real_));
    plan_->memory = std::make_unique<Memory>(layout_.total());
    plan_->bytes = layout_.total();
    base_ = plan_->memory->data();
    layout_.guard_parts(base_);
    for (size_t i = 0; i < plan_->tensors.size(); i++) plan_->tensors[i].data = base_ + tensor_at_[i];
    point_convs();
    point_norms();
    plan_->losses.resize(size_t(spec_.losses) * threads_);
    plan_->scalars = spec_.scalars;
    make_phases();
    return std::move(plan_);
  }

 private:
  struct ConvPlaces {
    size_t packed, backward, bias, gradient, bias_gradient;
    long map, map_backward;
  };

  void place_tensors() {
    for (const TensorSpec& s : spec_.tensors) {
      Tensor t = s.vector ? vector_layout(s.c, V_) : map_layout(s.t, s.f, s.c, V_, s.planar, s.folded);
      t.group = s.group;
      t.strip = s.strip;
      const size_t units = s.group ? size_t(s.group) * threads_ : size_t(max_examples_) * s.rows;
      const size_t bytes = aligned(values_of(t, units, V_) * real_);
      const bool shares = s.from >= 0 && t.C == t.Cp;  // padding channels stay zero, which others would not leave them
      if (shares) ranges_.push_back({plan_->tensors.size(), bytes, s.from, s.to});
      tensor_at_.push_back(shares ? 0 : layout_.take(bytes));
      plan_->tensors.push_back(t);
    }
    const size_t shared_at = layout_.take(place_live_ranges(ranges_));
    for (const LiveRange& range : ranges_) tensor_at_[range.tensor] = shared_at + range.at;
  }

  Conv shapes_of(const ConvSpec& s) const {
    Conv c{};
    c.kind = s.kind;
    c.window = {s.kt, s.kf, s.strideT, s.strideF, s.dilationT, s.dilationF, s.padT, s.padF};
    if (s.kind == CONV_WINDOW || s.kind == CONV_DEPTHWISE) {
      c.forward = c.weights = window_shape(s.kind, s.cin, s.cout, c.window, 0, V_);
      c.backward = window_shape(s.kind, s.cout, s.cin, c.window, 1, V_);
    } else {
      const Tensor in =
          s.kind == CONV_DENSE ? vector_layout(s.cin, V_) : map_layout(1, s.fIn, s.cin, V_, s.planar, s.folded);
      const Tensor out =
          s.kind == CONV_DENSE ? vector_layout(s.cout, V_) : map_layout(1, s.fOut, s.cout, V_, s.planar, s.folded);
      c.forward = conv_shape(in, out, s.kt, s.kf, s.upsampled, 0, V_, table_.accumulators, s.winograd);
      c.backward = conv_shape(out, in, s.kt, s.kf, s.upsampled, 1, V_, table_.accumulators, s.winograd);
      c.weights = s.winograd && !s.winogradWeights && spec_.training
                      ? conv_shape(in, out, s.kt, s.kf, s.upsampled, 0, V_, table_.accumulators, 0)
                      : c.forward;
    }
    c.folded_norm = s.foldedNorm;
    c.weight = s.weight;
    c.bias = s.bias;
    return c;
  }

  void place_convs() {
    for (const ConvSpec& s : spec_.convs) {
      const Conv c = shapes_of(s);
      ConvPlaces p{};
      p.packed = layout_.take(c.forward.size * real_);
      p.backward = s.backward ? layout_.take(c.backward.size * real_) : 0;
      p.bias = layout_.take(size_t(c.forward.vectors) * V_ * real_);
      p.map = map_size_;
      if (!c.weights.winograd) map_size_ += 2 * c.weights.size;
      p.map_backward = map_size_;
      if (s.backward && !c.backward.winograd) map_size_ += 2 * c.backward.size;
      conv_at_.push_back(p);
      tiles_ = std::max({tiles_, winograd_tiles_size(c, spec_.training), copied_rows_size(c.forward, c.window, s.fOut),
                         copied_rows_size(c.backward, c.window, s.fIn)});
      plan_->convs.push_back(c);
      const auto same = [&](const Conv& other) { return other.weight == c.weight; };
      plan_->owner.push_back(std::find_if(plan_->convs.begin(), plan_->convs.end(), same) - plan_->convs.begin());
    }
    tiles_at_ = layout_.take(threads_ * tiles_ * real_);
    plan_->gradients = layout_.total();
    for (size_t i = 0; i < plan_->convs.size(); i++) {
      const Conv& c = plan_->convs[i];
      conv_at_[i].gradient = layout_.take_beside(spec_.training ? threads_ * gradient_size(c.weights, V_) * real_ : 0);
      conv_at_[i].bias_gradient =
          layout_.take_beside(spec_.training ? size_t(threads_) * c.forward.vectors * V_ * real_ : 0);
    }
    plan_->gradients_bytes = plan_->convs.empty() ? 0 : layout_.end_of_last() - plan_->gradients;
    layout_.guard_last();
  }

  void place_norms() {
    for (const NormSpec& s : spec_.norms) {
      const Tensor t = map_layout(1, s.f, s.c, V_, s.planar, s.folded);
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
      norm_at_.push_back(layout_.take(size_t(5) * t.column * real_));
      doubles_ += size_t(2 * threads_ + 3) * s.c + (s.single < 0 ? 0 : threads_ * tap_sums_size(s.c));
      plan_->norms.push_back(n);
    }
  }

  void point_convs() {
    plan_->weight_maps.resize(map_size_);
    for (size_t i = 0; i < plan_->convs.size(); i++) {
      Conv& c = plan_->convs[i];
      const ConvPlaces& at = conv_at_[i];
      const bool backward = spec_.convs[i].backward;
      int* map = plan_->weight_maps.data() + at.map;
      table_.map_weights(c.weights, map);
      c.parameter = map;
      if (backward) {
        int* flipped = plan_->weight_maps.data() + at.map_backward;
        table_.map_weights(c.backward, flipped);
        c.parameter_backward = flipped;
      }
      c.packed = base_ + at.packed;
      c.packed_backward = backward ? base_ + at.backward : nullptr;
      c.packed_bias = c.bias >= 0 || c.folded_norm >= 0 ? base_ + at.bias : nullptr;
      c.tiles = base_ + tiles_at_;
      c.tiles_size = tiles_;
      c.gradient = base_ + at.gradient;
      c.bias_gradient = base_ + at.bias_gradient;
    }
  }

  void point_norms() {
    plan_->norm_doubles.resize(doubles_);
    double* next = plan_->norm_doubles.data();
    for (size_t i = 0; i < plan_->norms.size(); i++) {
      Norm& n = plan_->norms[i];
      n.scale = base_ + norm_at_[i];
      n.shift = base_ + norm_at_[i] + n.column * real_;
      n.apply = base_ + norm_at_[i] + 2 * n.column * real_;
      n.sums = next;
      n.statistics = next + size_t(threads_) * 2 * n.C;
      next += size_t(2 * threads_ + 3) * n.C;
      if (spec_.norms[i].single < 0) continue;
      n.single = &plan_->convs[spec_.norms[i].single];
      n.tap_gradients = spec_.norms[i].tapGradients;
      n.taps = next;
      next += threads_ * tap_sums_size(n.C);
    }
  }

  Step make_step(const StepSpec& s) {
    const auto tensor = [&](int i) { return i < 0 ? nullptr : &plan_->tensors[i]; };
    Step step{};
    step.op = s.kind;
    step.x = tensor(s.x);
    step.b = tensor(s.b);
    step.g = tensor(s.g);
    step.y = tensor(s.y);
    step.y2 = tensor(s.y2);
    step.conv = s.conv < 0 ? nullptr : &plan_->convs[s.conv];
    step.norm = s.norm < 0 ? nullptr : &plan_->norms[s.norm];
    step.norm2 = s.norm2 < 0 ? nullptr : &plan_->norms[s.norm2];
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
    step.scalar = s.scalar < 0 ? nullptr : &plan_->scalars[s.scalar];
    step.weight = s.weight;
    step.number = s.number;
    step.loss = s.loss < 0 ? nullptr : &plan_->losses[size_t(s.loss) * threads_];
    step.scratch = s.scratch < 0 ? nullptr : base_ + scratch_at_[s.scratch];
    return step;
  }

  void make_phases() {
    for (const PhaseSpec& ps : spec_.phases) {
      Phase phase{ps.rows, ps.group, {}, ps.statistics, ps.reduced, {}};
      std::set<const Tensor*> near;  // what this phase has already touched
      for (const PassSpec& pass : ps.passes) {
        Pass out{pass.strips, pass.edge, pass.stride, {}, {}, std::vector<long>(threads_)};
        for (const StepSpec& s : pass.steps) {
          const Step step = make_step(s);
          out.steps.push_back(step);
          for (const Tensor* t : {step.x, step.b, step.g, step.y, step.y2})
            if (t && !t->group && near.insert(t).second) out.far.push_back(t);
        }
        phase.passes.push_back(std::move(out));
      }
      plan_->phases.push_back(std::move(phase));
    }
    for (const LiveRange& own : ranges_) {
      const auto overlaps = [&](const LiveRange& l) {
        return &l != &own && l.at < own.at + own.bytes && own.at < l.at + l.bytes;
      };
      if (std::any_of(ranges_.begin(), ranges_.end(), overlaps))
        plan_->phases[own.from].moved_in.push_back(&plan_->tensors[own.tensor]);
    }
  }

  const PlanSpec& spec_;
  const KernelTable& table_;
  const int V_, threads_;
  const long max_examples_;
  const size_t real_;
  std::unique_ptr<Plan> plan_;
  Layout layout_;
  char* base_ = nullptr;
  // Where things lie in memory.
  std::vector<size_t> tensor_at_, norm_at_, scratch_at_;
  std::vector<LiveRange> ranges_;  // of maps that may share memory with others
  std::vector<ConvPlaces> conv_at_;
  size_t tiles_at_ = 0, doubles_ = 0;
  long map_size_ = 0, tiles_ = 0;
};

}  // namespace

std::unique_ptr<Plan> make_plan(const PlanSpec& spec, const KernelTable& table, int threads, long max_examples) {
  return PlanMaker(spec, table, threads, max_examples).make();
}

}  // namespace audio2vec
