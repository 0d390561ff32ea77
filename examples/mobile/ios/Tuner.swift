// A tuner on iOS: the pitch of the sound that just came, with the package onnxruntime-swift-package-manager. The model:
// `audio2vec export models/pitch.safetensors --input waveform --batch 1 -o pitch.onnx`, put into the bundle.
//
//     let tuner = try Tuner(modelPath: path)
//     let microphone = Microphone(sampleRate: Tuner.sampleRate, slice: Tuner.samples, hop: 5 * Tuner.hop) { sound in
//         let note = Result { try tuner.newest(sound.get()) } …
//     }
//     try await microphone.start()
import Foundation
import OnnxRuntimeBindings

/// Any thread may call; one second of sound is read at a time.
final class Tuner: @unchecked Sendable { // the lock guards the session
    static let input = "waveform"
    static let outputHz = "hz"
    static let outputConfidence = "confidence"
    static let sampleRate = 16000
    static let samples = 16960 // that the model takes: 1.06 s
    static let hop = 320 // samples from frame to frame: 20 ms
    static let frames = 50 // that it answers for
    static let before = 2 // frames before the first of these

    /// Frames of sound after its own that an answer depends on.
    private static let later = 6
    /// Frames whose median is the answer.
    private static let shown = 5
    /// Confidence from which something with pitch sounds.
    private static let voiced: Float = 0.5
    private static let names = ["C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B"]

    struct WrongSize: Error { let samples: Int }

    /// The nearest note, A4 being 440 Hz, and how many cents the pitch is above it.
    struct Note {
        let name: String
        let cents: Double
        let hz: Float

        init(hz: Float) {
            let midi = 69 + 12 * log2(Double(hz) / 440)
            let nearest = Int(midi.rounded())
            name = Tuner.names[((nearest % 12) + 12) % 12] + "\(Int((Double(nearest) / 12).rounded(.down)) - 1)"
            cents = 100 * (midi - Double(nearest))
            self.hz = hz
        }
    }

    private let lock = NSLock()
    private let environment: ORTEnv
    private let session: ORTSession

    init(modelPath: String) throws {
        environment = try ORTEnv(loggingLevel: .warning)
        session = try ORTSession(env: environment, modelPath: modelPath, sessionOptions: nil)
    }

    /// The note that sounded 0.12 to 0.22 s before the end of `samples` samples, mono, in -1 … 1; nil if there was none.
    func newest(_ sound: [Float]) throws -> Note? {
        guard sound.count == Self.samples else { throw WrongSize(samples: sound.count) }
        lock.lock()
        defer { lock.unlock() }
        let data = sound.withUnsafeBytes { NSMutableData(bytes: $0.baseAddress, length: $0.count) }
        let waveform = try ORTValue(tensorData: data, elementType: .float, shape: [1, NSNumber(value: Self.samples)])
        let outputs = try session.run(
            withInputs: [Self.input: waveform], outputNames: [Self.outputHz, Self.outputConfidence], runOptions: nil)
        let hz = try values(outputs[Self.outputHz]!)
        let confidence = try values(outputs[Self.outputConfidence]!)
        // Answer i is of the frame around sample (i + before) · hop.
        let end = Self.samples / Self.hop - Self.later - Self.before + 1
        let heard = (end - Self.shown..<end).filter { confidence[$0] >= Self.voiced }.map { hz[$0] }.sorted()
        return 2 * heard.count > Self.shown ? Note(hz: heard[heard.count / 2]) : nil
    }

    private func values(_ tensor: ORTValue) throws -> [Float] {
        let bytes = try tensor.tensorData() as Data
        return bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    }
}
