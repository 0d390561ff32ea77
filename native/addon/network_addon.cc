// Network as a JavaScript class. lib/engine/network.ts checks arguments; here they are only unpacked.
#include <napi.h>
#include <string_view>

#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string_view>

#include "addon/bindings.h"
#include "addon/feature_store_addon.h"
#include "engine/network.h"

namespace audio2vec {
namespace {

constexpr const char* kStepNames[] = {
#define X(name) #name,
    A2V_STEPS(X)
#undef X
};

int step_kind(const std::string& name) {
  for (int i = 0; i < STEP_COUNT; i++)
    if (name == kStepNames[i]) return i;
  throw std::runtime_error("no native step \"" + name + "\"");
}

constexpr const char* kUpdateNames[] = {
#define X(name) #name,
    A2V_UPDATE_RULES(X)
#undef X
};

double number(const Napi::Object& o, const char* key) { return o.Get(key).ToNumber().DoubleValue(); }
int integer(const Napi::Object& o, const char* key) { return int(number(o, key)); }

// `rule` of an update; adam if it names none.
int update_rule(const Napi::Object& o) {
  const std::string name = o.Has("rule") ? o.Get("rule").ToString() : std::string(kUpdateNames[UPDATE_adam]);
  for (int i = 0; i < UPDATE_COUNT; i++)
    if (name == kUpdateNames[i]) return i;
  throw Napi::Error::New(o.Env(), "no update rule \"" + name + "\"");
}

template <typename T, typename Fn>
std::vector<T> list(const Napi::Object& o, const char* key, Fn fn) {
  Napi::Array a = o.Get(key).As<Napi::Array>();
  std::vector<T> out;
  for (uint32_t i = 0; i < a.Length(); i++) out.push_back(fn(a.Get(i)));
  return out;
}

template <typename T>
T field(const Napi::Object& o, const char* key) {
  return T(number(o, key));
}

// A record whose fields are listed in engine/plan_spec.h.
#define A2V_READ(type, name) s.name = field<type>(o, #name);
#define A2V_READER(Spec, read, FIELDS)     \
  Spec read(Napi::Value v) {               \
    Napi::Object o = v.As<Napi::Object>(); \
    Spec s{};                              \
    FIELDS(A2V_READ)                       \
    return s;                              \
  }
A2V_READER(TensorSpec, tensor_spec, A2V_TENSOR_FIELDS)
A2V_READER(ConvSpec, conv_spec, A2V_CONV_FIELDS)
A2V_READER(NormSpec, norm_spec, A2V_NORM_FIELDS)
A2V_READER(ScratchSpec, scratch_spec, A2V_SCRATCH_FIELDS)

// `kind` is a name in JavaScript.
StepSpec step_spec(Napi::Value v) {
  Napi::Object o = v.As<Napi::Object>();
  StepSpec s{};
#define A2V_READ_NUMBER(type, name) \
  if (std::string_view(#name) != "kind") s.name = field<type>(o, #name);
  A2V_STEP_FIELDS(A2V_READ_NUMBER)
  s.kind = step_kind(o.Get("kind").ToString());
  return s;
}

PlanSpec plan_spec(const Napi::Object& o, bool training) {
  PlanSpec p;
  p.training = training;
  p.losses = int(o.Get("losses").As<Napi::Array>().Length());
  p.tensors = list<TensorSpec>(o, "tensors", tensor_spec);
  p.convs = list<ConvSpec>(o, "convs", conv_spec);
  p.norms = list<NormSpec>(o, "norms", norm_spec);
  p.scratches = list<ScratchSpec>(o, "scratches", scratch_spec);
  p.scalars = list<double>(o, "scalars",
                           [](Napi::Value v) { return v.As<Napi::Object>().Get("value").ToNumber().DoubleValue(); });
  const auto index = [](Napi::Value v) { return v.ToNumber().Int32Value(); };
  p.phases = list<PhaseSpec>(o, "phases", [&](Napi::Value v) {
    Napi::Object ph = v.As<Napi::Object>();
    PhaseSpec s;
    s.rows = integer(ph, "rows");
    s.group = integer(ph, "group");
    s.passes = list<PassSpec>(ph, "passes", [](Napi::Value w) {
      Napi::Object pass = w.As<Napi::Object>();
      return PassSpec{integer(pass, "strips"), integer(pass, "edge"), integer(pass, "stride"),
                      list<StepSpec>(pass, "steps", step_spec)};
    });
    s.statistics = list<int>(ph, "statistics", index);
    s.reduced = list<int>(ph, "reduced", index);
    return s;
  });
  return p;
}

// What lib/native/plan.ts compares its own records and steps with.
Napi::Object plan_format(Napi::Env env) {
  Napi::Object out = Napi::Object::New(env);
#define A2V_NAME(type, name) #name,
  const auto names = [&](const char* key, std::vector<const char*> list) {
    Napi::Array a = Napi::Array::New(env, list.size());
    for (uint32_t i = 0; i < list.size(); i++) a.Set(i, list[i]);
    out.Set(key, a);
  };
  names("tensor", {A2V_TENSOR_FIELDS(A2V_NAME)});
  names("conv", {A2V_CONV_FIELDS(A2V_NAME)});
  names("norm", {A2V_NORM_FIELDS(A2V_NAME)});
  names("scratch", {A2V_SCRATCH_FIELDS(A2V_NAME)});
  names("step", {A2V_STEP_FIELDS(A2V_NAME)});
  names("convKinds", {"taps", "dense", "window", "depthwise"});  // ConvKind in engine/step.h
  return out;
}

// What a run reads, and where it leaves what it found. A network keeps it from run to run, so that a run allocates
// nothing.
struct Run {
  int plan = 0;
  long examples = 0;
  std::vector<Input> inputs;
  std::vector<std::shared_ptr<const FeatureStore>> stores;  // that inputs are gathered from: mapped until the run ends
  std::optional<UpdateArgs> update;
  std::optional<RowCache> cache;
  const double* scalars = nullptr;
  double *losses = nullptr, *gradients = nullptr;
  struct Output {
    int tensor;
    float* values;
  };
  std::vector<Output> outputs;

  void execute(Network& network) const {
    if (examples > 0) network.run(plan, examples, inputs, scalars, cache ? &*cache : nullptr, losses);
    if (gradients) network.get_gradients(gradients);
    for (const Output& o : outputs) network.read_output(plan, o.tensor, examples, o.values);
    // A batch that is no number must not move anything.
    if (update && (examples == 0 || network.finite(plan, losses))) network.update(plan, *update);
  }
};

class NetworkClass : public Napi::ObjectWrap<NetworkClass> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Network",
                       {
                           InstanceMethod<&NetworkClass::add_plan>("addPlan"),
                           InstanceMethod<&NetworkClass::remove_plan>("removePlan"),
                           InstanceMethod<&NetworkClass::cached_bytes>("cachedBytes"),
                           InstanceMethod<&NetworkClass::run>("run"),
                           InstanceMethod<&NetworkClass::run_sync>("runSync"),
                           InstanceMethod<&NetworkClass::set_parameters>("setParameters"),
                           InstanceMethod<&NetworkClass::get_parameters>("getParameters"),
                           InstanceMethod<&NetworkClass::set_gradients>("setGradients"),
                           InstanceMethod<&NetworkClass::close>("close"),
                           InstanceMethod<&NetworkClass::set_moments>("setMoments"),
                           InstanceMethod<&NetworkClass::get_moments>("getMoments"),
                           InstanceMethod<&NetworkClass::bytes>("bytes"),
                           InstanceAccessor<&NetworkClass::lanes>("lanes"),
                       });
  }

  // (isa, threads, maxExamples, parameters, ranges: Float64Array of [offset, size, decays] triples)
  explicit NetworkClass(const Napi::CallbackInfo& info) : Napi::ObjectWrap<NetworkClass>(info) {
    const std::string isa = info[0].ToString();
    const KernelTable* table = isa.empty() ? &kernels() : find_kernels(isa.c_str());
    if (!table) throw Napi::Error::New(info.Env(), "no instruction set " + isa);
    Napi::Float64Array ranges = info[4].As<Napi::Float64Array>();
    std::vector<TrainableRange> trainable;
    for (size_t i = 0; i + 2 < ranges.ElementLength(); i += 3)
      trainable.push_back({long(ranges[i]), long(ranges[i + 1]), ranges[i + 2] != 0});
    try {
      network_ = std::make_unique<Network>(*table, info[1].ToNumber().Int32Value(), info[2].ToNumber().Int64Value(),
                                           info[3].ToNumber().Int64Value(), std::move(trainable));
    } catch (const std::exception&) {
      throw Napi::Error::New(info.Env(), "out of memory");
    }
    tell_size(info.Env());
  }

  void Finalize(Napi::Env env) override {
    network_.reset();
    tell_size(env);
  }

 private:
  // Without this the garbage collector takes networks for small, and lets hundreds pile up before it looks for those
  // that nobody uses.
  void tell_size(Napi::Env env) {
    const int64_t bytes = network_ ? int64_t(network_->bytes()) : 0;
    Napi::MemoryManagement::AdjustExternalMemory(env, bytes - told_);
    told_ = bytes;
  }

  Napi::Value add_plan(const Napi::CallbackInfo& info) {
    try {
      const PlanSpec spec = plan_spec(info[0].As<Napi::Object>(), info[1].ToBoolean());
      const int id = network_->add_plan(spec);
      tell_size(info.Env());
      return Napi::Number::New(info.Env(), id);
    } catch (const std::bad_alloc&) {
      throw Napi::Error::New(info.Env(), "out of memory");
    } catch (const std::length_error&) {
      throw Napi::Error::New(info.Env(), "out of memory");
    } catch (const std::runtime_error& e) {
      throw Napi::Error::New(info.Env(), e.what());
    }
  }

  void remove_plan(const Napi::CallbackInfo& info) {
    network_->remove_plan(info[0].ToNumber().Int32Value());
    tell_size(info.Env());
  }

  // (plan, hop)
  Napi::Value cached_bytes(const Napi::CallbackInfo& info) {
    const size_t bytes = network_->cached_bytes(info[0].ToNumber().Int32Value(), info[1].ToNumber().Int64Value());
    return Napi::Number::New(info.Env(), double(bytes));
  }

  // A run on another thread. Lives in its network, which it keeps alive, because runs of a network do not overlap; the
  // references keep the arrays that it reads and writes alive and in their place.
  class RunWorker : public Napi::AsyncWorker {
   public:
    RunWorker(NetworkClass& network, const Napi::CallbackInfo& info)
        : Napi::AsyncWorker(info.Env()),
          network_(network),
          deferred_(Napi::Promise::Deferred::New(info.Env())),
          inputs_(Napi::Persistent(info[2].As<Napi::Object>())),
          options_(Napi::Persistent(info[3].As<Napi::Object>())) {
      network_.Ref();
    }
    Napi::Promise promise() { return deferred_.Promise(); }

   protected:
    void Execute() override { network_.run_.execute(*network_.network_); }
    void OnOK() override { deferred_.Resolve(Env().Undefined()); }
    void OnError(const Napi::Error& e) override { deferred_.Reject(e.Value()); }
    void Destroy() override {
      NetworkClass& network = network_;
      network.run_.stores.clear();
      network.worker_.reset();  // this
      network.Unref();
    }

   private:
    NetworkClass& network_;
    Napi::Promise::Deferred deferred_;
    Napi::ObjectReference inputs_, options_;
  };

  // (plan, examples, inputs: [{tensor, values | frames, starts, store, mean, inverseStd}], {losses, update?,
  // gradients?, outputs?, scalars?, cache?}), see lib/native/types.ts
  Napi::Value run(const Napi::CallbackInfo& info) {
    unpack_run(info);
    RunWorker& worker = worker_.emplace(*this, info);
    worker.Queue();
    return worker.promise();
  }

  // The same on the calling thread, for calls so small that a trip to another one would cost more than they do.
  Napi::Value run_sync(const Napi::CallbackInfo& info) {
    unpack_run(info);
    run_.execute(*network_);
    run_.stores.clear();
    return info.Env().Undefined();
  }

  void unpack_run(const Napi::CallbackInfo& info) {
    run_.plan = info[0].ToNumber().Int32Value();
    run_.examples = info[1].ToNumber().Int64Value();
    run_.inputs.clear();
    run_.stores.clear();
    Napi::Array inputs = info[2].As<Napi::Array>();
    for (uint32_t i = 0; i < inputs.Length(); i++)
      run_.inputs.push_back(unpack_input(inputs.Get(i).As<Napi::Object>()));
    Napi::Object options = info[3].As<Napi::Object>();
    run_.losses = options.Get("losses").As<Napi::Float64Array>().Data();
    // Each name that is looked up is a string on the JavaScript heap: none is asked for twice.
    const Napi::Value scalars = options.Get("scalars");
    run_.scalars = scalars.IsUndefined() ? nullptr : scalars.As<Napi::Float64Array>().Data();
    run_.update.reset();
    const Napi::Value update = options.Get("update");
    if (!update.IsUndefined()) {
      Napi::Object a = update.As<Napi::Object>();
      run_.update = UpdateArgs{update_rule(a),
                               number(a, "learningRate"),
                               number(a, "beta1"),
                               number(a, "beta2"),
                               number(a, "epsilon"),
                               number(a, "weightDecay"),
                               0,
                               0};
    }
    run_.cache.reset();
    const Napi::Value cache = options.Get("cache");
    if (!cache.IsUndefined()) {
      Napi::Object c = cache.As<Napi::Object>();
      char* rows = reinterpret_cast<char*>(c.Get("rows").As<Napi::Uint8Array>().Data());
      run_.cache = RowCache{rows, integer(c, "hop"), c.Get("filled").ToBoolean()};
    }
    run_.gradients = options.Has("gradients") ? options.Get("gradients").As<Napi::Float64Array>().Data() : nullptr;
    run_.outputs.clear();
    const Napi::Value given = options.Get("outputs");
    if (!given.IsUndefined()) {
      Napi::Array outputs = given.As<Napi::Array>();
      for (uint32_t i = 0; i < outputs.Length(); i++) {
        Napi::Object o = outputs.Get(i).As<Napi::Object>();
        run_.outputs.push_back({integer(o, "tensor"), o.Get("values").As<Napi::Float32Array>().Data()});
      }
    }
  }

  // {tensor, values} or {tensor, frames, starts, store, mean, inverseStd, augment?}
  Input unpack_input(const Napi::Object& o) {
    Input input{integer(o, "tensor"), {}};
    if (o.Has("values")) {
      input.args.values = o.Get("values").As<Napi::Float32Array>().Data();
      return input;
    }
    input.args.frames = integer(o, "frames");
    input.args.starts = o.Get("starts").As<Napi::Float64Array>().Data();
    input.args.store = frames_of(o.Get("store"));
    input.args.mean = o.Get("mean").As<Napi::Float32Array>().Data();
    input.args.inverse_std = o.Get("inverseStd").As<Napi::Float32Array>().Data();
    if (o.Has("augment")) input.args.augment = augmentation(o.Get("augment").As<Napi::Object>());
    return input;
  }

  // {mixStarts?, mixGain?, gain?, mask?}
  static AugmentArgs augmentation(const Napi::Object& o) {
    AugmentArgs a{};
    if (o.Has("mixStarts")) a.mix_starts = o.Get("mixStarts").As<Napi::Float64Array>().Data();
    if (o.Has("mixGain")) a.mix_gain = o.Get("mixGain").As<Napi::Float32Array>().Data();
    if (o.Has("gain")) a.gain = o.Get("gain").As<Napi::Float32Array>().Data();
    if (o.Has("mask")) a.mask = o.Get("mask").As<Napi::Int16Array>().Data();
    return a;
  }

  void set_parameters(const Napi::CallbackInfo& info) {
    network_->set_parameters(info[0].As<Napi::Float64Array>().Data());
  }
  Napi::Value get_parameters(const Napi::CallbackInfo& info) {
    Napi::Float64Array out = Napi::Float64Array::New(info.Env(), network_->parameter_count());
    network_->get_parameters(out.Data());
    return out;
  }
  void set_gradients(const Napi::CallbackInfo& info) {
    network_->set_gradients(info[0].As<Napi::Float64Array>().Data());
  }
  // Gives the memory back; nothing may be called afterwards.
  void close(const Napi::CallbackInfo& info) {
    network_.reset();
    tell_size(info.Env());
  }
  void set_moments(const Napi::CallbackInfo& info) {
    network_->set_moments(info[0].As<Napi::Float64Array>().Data(), info[1].As<Napi::Float64Array>().Data(),
                          info[2].ToNumber().Int64Value());
  }
  // Fills two arrays; returns the number of steps taken.
  Napi::Value get_moments(const Napi::CallbackInfo& info) {
    network_->get_moments(info[0].As<Napi::Float64Array>().Data(), info[1].As<Napi::Float64Array>().Data());
    return Napi::Number::New(info.Env(), double(network_->steps()));
  }
  Napi::Value lanes(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), network_->lanes()); }
  Napi::Value bytes(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), double(network_->bytes())); }

  // Log-mel frames: of an open feature store, or an array in memory.
  const float* frames_of(Napi::Value v) {
    if (v.IsTypedArray()) return v.As<Napi::Float32Array>().Data();
    auto store = FeatureStoreObject::Unwrap(v.As<Napi::Object>())->store();
    if (!store) throw Napi::Error::New(v.Env(), "the feature store has been closed");
    const float* frames = store->data();
    run_.stores.push_back(std::move(store));
    return frames;
  }

  std::unique_ptr<Network> network_;
  int64_t told_ = 0;  // bytes that the garbage collector knows of
  Run run_;
  std::optional<RunWorker> worker_;
};

}  // namespace

void register_engine(Napi::Env env, Napi::Object exports) {
  exports.Set("Network", NetworkClass::define(env));
  exports.Set("planFormat", plan_format(env));
}

}  // namespace audio2vec
