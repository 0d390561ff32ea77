// Network as a JavaScript class. lib/engine/network.ts checks arguments; here they are only unpacked.
#include <napi.h>

#include <cstring>
#include <exception>
#include <memory>

#include "bindings.h"
#include "engine/network.h"
#include "frontend/feature_store_addon.h"

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

double number(const Napi::Object& o, const char* key) { return o.Get(key).ToNumber().DoubleValue(); }
int integer(const Napi::Object& o, const char* key) { return int(number(o, key)); }

template <typename T, typename Fn>
std::vector<T> list(const Napi::Object& o, const char* key, Fn fn) {
  Napi::Array a = o.Get(key).As<Napi::Array>();
  std::vector<T> out;
  for (uint32_t i = 0; i < a.Length(); i++) out.push_back(fn(a.Get(i)));
  return out;
}

StepSpec step_spec(Napi::Value v) {
  Napi::Object o = v.As<Napi::Object>();
  StepSpec s{};
  s.kind = step_kind(o.Get("kind").ToString());
  s.x = integer(o, "x");
  s.b = integer(o, "b");
  s.g = integer(o, "g");
  s.y = integer(o, "y");
  s.y2 = integer(o, "y2");
  s.conv = integer(o, "conv");
  s.norm = integer(o, "norm");
  s.norm2 = integer(o, "norm2");
  s.relu = integer(o, "relu");
  s.accumulate = integer(o, "accumulate");
  s.rows = integer(o, "rows");
  s.first = integer(o, "first");
  s.loss = integer(o, "loss");
  s.weight = number(o, "weight");
  s.margin = number(o, "margin");
  return s;
}

PlanSpec plan_spec(const Napi::Object& o, bool training) {
  PlanSpec p;
  p.training = training;
  p.losses = int(o.Get("losses").As<Napi::Array>().Length());
  p.tensors = list<TensorSpec>(o, "tensors", [](Napi::Value v) {
    Napi::Object t = v.As<Napi::Object>();
    return TensorSpec{integer(t, "t"),       integer(t, "f"),    integer(t, "c"),     integer(t, "vector"),
                      integer(t, "byBands"), integer(t, "rows"), integer(t, "group"), integer(t, "strip")};
  });
  p.convs = list<ConvSpec>(o, "convs", [](Napi::Value v) {
    Napi::Object c = v.As<Napi::Object>();
    return ConvSpec{integer(c, "dense"),       integer(c, "kt"),        integer(c, "kf"),
                    integer(c, "upsampled"),   integer(c, "cin"),       integer(c, "cout"),
                    integer(c, "fIn"),         integer(c, "fOut"),      integer(c, "byBands"),
                    long(number(c, "weight")), long(number(c, "bias")), integer(c, "backward"),
                    integer(c, "foldedNorm")};
  });
  p.norms = list<NormSpec>(o, "norms", [](Napi::Value v) {
    Napi::Object n = v.As<Napi::Object>();
    return NormSpec{integer(n, "c"),        integer(n, "f"),           integer(n, "byBands"),   integer(n, "relu"),
                    integer(n, "copies"),   long(number(n, "weight")), long(number(n, "bias")), long(number(n, "mean")),
                    long(number(n, "var")), long(number(n, "count"))};
  });
  const auto index = [](Napi::Value v) { return v.ToNumber().Int32Value(); };
  p.phases = list<PhaseSpec>(o, "phases", [&](Napi::Value v) {
    Napi::Object ph = v.As<Napi::Object>();
    PhaseSpec s;
    s.rows = integer(ph, "rows");
    s.group = integer(ph, "group");
    s.passes = list<PassSpec>(ph, "passes", [](Napi::Value w) {
      Napi::Object pass = w.As<Napi::Object>();
      return PassSpec{integer(pass, "strips"), list<StepSpec>(pass, "steps", step_spec)};
    });
    s.statistics = list<int>(ph, "statistics", index);
    s.reduced = list<int>(ph, "reduced", index);
    return s;
  });
  return p;
}

// One run on a worker thread. Typed arrays that it reads are kept alive and stay where they are.
class RunWorker : public Napi::AsyncWorker {
 public:
  RunWorker(Napi::Env env, std::shared_ptr<Network> network, int plan, long examples)
      : Napi::AsyncWorker(env),
        deferred_(Napi::Promise::Deferred::New(env)),
        network_(std::move(network)),
        plan_(plan),
        examples_(examples) {}

  Napi::Promise promise() { return deferred_.Promise(); }
  // What stays alive, in its place and mapped until the run ends.
  void keep(Napi::Value v) { kept_.push_back(Napi::Persistent(v.As<Napi::Object>())); }
  void keep(std::shared_ptr<const FeatureStore> store) { stores_.push_back(std::move(store)); }

  std::vector<Input> inputs;
  bool update = false, gradients = false;
  AdamArgs adam{};
  int output = -1;

  void Execute() override {
    losses_ = network_->run(plan_, examples_, inputs, update ? &adam : nullptr);
    if (gradients) {
      gradient_values_.resize(network_->parameter_count());
      network_->get_gradients(gradient_values_.data());
    }
    if (output >= 0) {
      output_values_.resize(network_->output_size(plan_, output, examples_));
      network_->read_output(plan_, output, examples_, output_values_.data());
    }
  }

  void OnOK() override {
    Napi::Env env = Env();
    Napi::Object out = Napi::Object::New(env);
    out.Set("losses", array<Napi::Float64Array>(env, losses_));
    if (gradients) out.Set("gradients", array<Napi::Float64Array>(env, gradient_values_));
    if (output >= 0) out.Set("output", array<Napi::Float32Array>(env, output_values_));
    deferred_.Resolve(out);
  }
  void OnError(const Napi::Error& e) override { deferred_.Reject(e.Value()); }

 private:
  template <typename A, typename T>
  static A array(Napi::Env env, const std::vector<T>& v) {
    A a = A::New(env, v.size());
    if (!v.empty()) std::memcpy(a.Data(), v.data(), v.size() * sizeof(T));
    return a;
  }

  Napi::Promise::Deferred deferred_;
  std::shared_ptr<Network> network_;
  int plan_;
  long examples_;
  std::vector<Napi::ObjectReference> kept_;
  std::vector<std::shared_ptr<const FeatureStore>> stores_;
  std::vector<double> losses_, gradient_values_;
  std::vector<float> output_values_;
};

// A call that ends before it returns to JavaScript has nothing to keep.
struct KeepNothing {
  void keep(const Napi::Value&) {}
  void keep(const std::shared_ptr<const FeatureStore>&) {}
};

class NetworkClass : public Napi::ObjectWrap<NetworkClass> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Network",
                       {
                           InstanceMethod<&NetworkClass::add_plan>("addPlan"),
                           InstanceMethod<&NetworkClass::run>("run"),
                           InstanceMethod<&NetworkClass::run_sync>("runSync"),
                           InstanceMethod<&NetworkClass::set_parameters>("setParameters"),
                           InstanceMethod<&NetworkClass::get_parameters>("getParameters"),
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
      network_ = std::make_shared<Network>(*table, info[1].ToNumber().Int32Value(), info[2].ToNumber().Int64Value(),
                                           info[3].ToNumber().Int64Value(), std::move(trainable));
    } catch (const std::exception& e) {
      throw Napi::Error::New(info.Env(), e.what());
    }
  }

 private:
  Napi::Value add_plan(const Napi::CallbackInfo& info) {
    try {
      const PlanSpec spec = plan_spec(info[0].As<Napi::Object>(), info[1].ToBoolean());
      return Napi::Number::New(info.Env(), network_->add_plan(spec));
    } catch (const std::bad_alloc&) {
      throw Napi::Error::New(info.Env(), "out of memory");
    } catch (const std::runtime_error& e) {
      throw Napi::Error::New(info.Env(), e.what());
    }
  }

  // (plan, examples, inputs: [{tensor, values | starts, store, mean, inverseStd}], {adam?, gradients?, output?})
  Napi::Value run(const Napi::CallbackInfo& info) {
    Napi::Env env = info.Env();
    auto* worker = new RunWorker(env, network_, info[0].ToNumber().Int32Value(), info[1].ToNumber().Int64Value());
    Napi::Array inputs = info[2].As<Napi::Array>();
    for (uint32_t i = 0; i < inputs.Length(); i++)
      worker->inputs.push_back(unpack_input(inputs.Get(i).As<Napi::Object>(), *worker));
    Napi::Object options = info[3].As<Napi::Object>();
    if (options.Has("adam")) {
      Napi::Object a = options.Get("adam").As<Napi::Object>();
      worker->update = true;
      worker->adam = {number(a, "learningRate"),
                      number(a, "beta1"),
                      number(a, "beta2"),
                      number(a, "epsilon"),
                      number(a, "weightDecay"),
                      0,
                      0};
    }
    worker->gradients = options.Has("gradients");
    if (options.Has("output")) worker->output = integer(options, "output");
    worker->Queue();
    return worker->promise();
  }

  // (plan, examples, inputs, output, out: Float32Array): inference on the calling thread, for calls so small that a
  // trip to another thread would cost more than they do.
  Napi::Value run_sync(const Napi::CallbackInfo& info) {
    const int plan = info[0].ToNumber().Int32Value(), output = info[3].ToNumber().Int32Value();
    const long examples = info[1].ToNumber().Int64Value();
    Napi::Array inputs = info[2].As<Napi::Array>();
    KeepNothing nothing;
    sync_inputs_.clear();
    for (uint32_t i = 0; i < inputs.Length(); i++)
      sync_inputs_.push_back(unpack_input(inputs.Get(i).As<Napi::Object>(), nothing));
    network_->run(plan, examples, sync_inputs_, nullptr);
    network_->read_output(plan, output, examples, info[4].As<Napi::Float32Array>().Data());
    return info.Env().Undefined();
  }

  // {tensor, values} or {tensor, starts, store, mean, inverseStd, augment?}; `keeper` is told what is in use.
  template <typename Keeper>
  static Input unpack_input(const Napi::Object& o, Keeper& keeper) {
    Input input{integer(o, "tensor"), {}};
    if (o.Has("values")) {
      keeper.keep(o.Get("values"));
      input.args.values = o.Get("values").As<Napi::Float32Array>().Data();
      return input;
    }
    for (const char* key : {"starts", "store", "mean", "inverseStd"}) keeper.keep(o.Get(key));
    input.args.starts = o.Get("starts").As<Napi::Float64Array>().Data();
    input.args.store = frames_of(o.Get("store"), keeper);
    input.args.mean = o.Get("mean").As<Napi::Float32Array>().Data();
    input.args.inverse_std = o.Get("inverseStd").As<Napi::Float32Array>().Data();
    if (o.Has("augment")) input.args.augment = augmentation(o.Get("augment").As<Napi::Object>(), keeper);
    return input;
  }

  // {mixStarts?, mixGain?, gain?, mask?}
  template <typename Keeper>
  static AugmentArgs augmentation(const Napi::Object& o, Keeper& keeper) {
    const auto has = [&](const char* key) {
      if (!o.Has(key)) return false;
      keeper.keep(o.Get(key));
      return true;
    };
    AugmentArgs a{};
    if (has("mixStarts")) a.mix_starts = o.Get("mixStarts").As<Napi::Float64Array>().Data();
    if (has("mixGain")) a.mix_gain = o.Get("mixGain").As<Napi::Float32Array>().Data();
    if (has("gain")) a.gain = o.Get("gain").As<Napi::Float32Array>().Data();
    if (has("mask")) a.mask = o.Get("mask").As<Napi::Int16Array>().Data();
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
  template <typename Keeper>
  static const float* frames_of(Napi::Value v, Keeper& keeper) {
    if (v.IsTypedArray()) return v.As<Napi::Float32Array>().Data();
    const auto store = FeatureStoreObject::Unwrap(v.As<Napi::Object>())->store();
    if (!store) throw Napi::Error::New(v.Env(), "the feature store has been closed");
    keeper.keep(store);
    return store->data();
  }

  std::shared_ptr<Network> network_;
  std::vector<Input> sync_inputs_;
};

}  // namespace

void register_engine(Napi::Env env, Napi::Object exports) { exports.Set("Network", NetworkClass::define(env)); }

}  // namespace audio2vec
