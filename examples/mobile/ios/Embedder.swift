// Live audio → embeddings on iOS, with the package onnxruntime-swift-package-manager and the Info.plist key
// NSMicrophoneUsageDescription. The model: `audio2vec export model.onnx --input waveform --batch 1`, put into the bundle.
import AVFoundation
import OnnxRuntimeBindings

final class Embedder {
    static let input = "waveform"
    static let output = "embedding"
    static let sampleRate = 16000
    static let slice = 15600 // samples: 0.975 s
    static let hop = 7680 // samples from slice to slice: 0.48 s
    static let dimension = 128

    private let environment: ORTEnv
    private let session: ORTSession
    private let engine = AVAudioEngine()
    private let queue = DispatchQueue(label: "audio2vec")
    private var held: [Float] = []

    init(modelPath: String) throws {
        environment = try ORTEnv(loggingLevel: .warning)
        session = try ORTSession(env: environment, modelPath: modelPath, sessionOptions: nil)
    }

    /// The embedding (`dimension` values) of exactly `slice` samples, mono, in -1 … 1.
    func embed(_ samples: [Float]) throws -> [Float] {
        precondition(samples.count == Self.slice)
        let data = samples.withUnsafeBytes { NSMutableData(bytes: $0.baseAddress, length: $0.count) }
        let waveform = try ORTValue(tensorData: data, elementType: .float, shape: [1, NSNumber(value: Self.slice)])
        let outputs = try session.run(
            withInputs: [Self.input: waveform], outputNames: [Self.output], runOptions: nil)
        let bytes = try outputs[Self.output]!.tensorData() as Data
        return bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    }

    /// Listens until `stop`; embeddings come on a queue of their own.
    func listen(onEmbedding: @escaping ([Float]) -> Void, onError: @escaping (Error) -> Void) throws {
        let microphone = engine.inputNode
        let native = microphone.outputFormat(forBus: 0)
        let wanted = AVAudioFormat(
            commonFormat: .pcmFormatFloat32, sampleRate: Double(Self.sampleRate), channels: 1, interleaved: false)!
        let converter = AVAudioConverter(from: native, to: wanted)!
        microphone.installTap(onBus: 0, bufferSize: 4096, format: native) { [weak self] buffer, _ in
            let room = AVAudioFrameCount(Double(buffer.frameLength) * wanted.sampleRate / native.sampleRate) + 32
            guard let self, let converted = AVAudioPCMBuffer(pcmFormat: wanted, frameCapacity: room) else { return }
            var given = false
            var failure: NSError?
            converter.convert(to: converted, error: &failure) { _, status in
                status.pointee = given ? .noDataNow : .haveData
                defer { given = true }
                return given ? nil : buffer
            }
            if let failure { return onError(failure) }
            let samples = Array(
                UnsafeBufferPointer(start: converted.floatChannelData![0], count: Int(converted.frameLength)))
            self.queue.async {
                do {
                    try self.take(samples, onEmbedding)
                } catch {
                    onError(error)
                }
            }
        }
        try engine.start()
    }

    func stop() {
        engine.stop()
        engine.inputNode.removeTap(onBus: 0)
        queue.async { self.held.removeAll() }
    }

    private func take(_ samples: [Float], _ onEmbedding: ([Float]) -> Void) throws {
        held += samples
        while held.count >= Self.slice {
            onEmbedding(try embed(Array(held[..<Self.slice])))
            held.removeFirst(Self.hop)
        }
    }
}
