// Live audio → embeddings on iOS, with the package onnxruntime-swift-package-manager. Microphone.swift listens. The model:
// `audio2vec export --input waveform --batch 1 -o model.onnx`, put into the bundle.
import Foundation
import OnnxRuntimeBindings

/// An encoder with its front end inside. Any thread may call; one slice is computed at a time.
final class Embedder: @unchecked Sendable {  // the lock guards the session
    static let input = "waveform"
    static let output = "embedding"
    static let sampleRate = 16000
    static let slice = 15600 // samples: 0.975 s
    static let hop = 7680 // samples from slice to slice: 0.48 s
    static let dimension = 128

    struct WrongSize: Error { let samples: Int }

    private let lock = NSLock()
    private let environment: ORTEnv
    private let session: ORTSession

    init(modelPath: String) throws {
        environment = try ORTEnv(loggingLevel: .warning)
        session = try ORTSession(env: environment, modelPath: modelPath, sessionOptions: nil)
    }

    /// The embedding (`dimension` values) of exactly `slice` samples, mono, in -1 … 1.
    func embed(_ samples: [Float]) throws -> [Float] {
        guard samples.count == Self.slice else { throw WrongSize(samples: samples.count) }
        lock.lock()
        defer { lock.unlock() }
        let data = samples.withUnsafeBytes { NSMutableData(bytes: $0.baseAddress, length: $0.count) }
        let waveform = try ORTValue(tensorData: data, elementType: .float, shape: [1, NSNumber(value: Self.slice)])
        let outputs = try session.run(
            withInputs: [Self.input: waveform], outputNames: [Self.output], runOptions: nil)
        let bytes = try outputs[Self.output]!.tensorData() as Data
        return bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    }
}
