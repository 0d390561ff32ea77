// The microphone, through everything that happens to it: the user's permission, calls and alarms (interruptions), headphones
// that come and go (routes), and restarts of the audio server. Needs the Info.plist key NSMicrophoneUsageDescription.
//
//     let microphone = Microphone(embedder: try Embedder(modelPath: path)) { result in … }
//     try await microphone.start()
import AVFoundation

@MainActor
final class Microphone {
    enum Failure: Error { case permissionDenied, noInput }

    private var engine = AVAudioEngine()
    private let slicer: Slicer
    private var observers: [NSObjectProtocol] = []

    /// `onResult` is called on a queue of the microphone's own.
    init(embedder: Embedder, onResult: @escaping @Sendable (Result<[Float], Error>) -> Void) {
        slicer = Slicer(embedder, onResult)
    }

    /// Asks for the permission if need be, and listens until `stop`.
    func start() async throws {
        guard await Self.isAllowed() else { throw Failure.permissionDenied }
        if observers.isEmpty { observe() }
        try open()
    }

    func stop() {
        observers.forEach(NotificationCenter.default.removeObserver)
        observers = []
        close()
        try? AVAudioSession.sharedInstance().setActive(false, options: .notifyOthersOnDeactivation)
    }

    private static func isAllowed() async -> Bool {
        if #available(iOS 17, *) { return await AVAudioApplication.requestRecordPermission() }
        return await withCheckedContinuation { answer in
            AVAudioSession.sharedInstance().requestRecordPermission { answer.resume(returning: $0) }
        }
    }

    private func open() throws {
        close()
        let session = AVAudioSession.sharedInstance()
        try session.setCategory(.record, mode: .measurement) // without what is made for calls
        try session.setActive(true)
        // Asked anew each time: a headset has another rate than the built-in microphone.
        let format = engine.inputNode.outputFormat(forBus: 0)
        guard format.sampleRate > 0, let resampler = Resampler(from: format) else { throw Failure.noInput }
        engine.inputNode.installTap(onBus: 0, bufferSize: 4096, format: format, block: Self.tap(resampler, slicer))
        try engine.start()
    }

    private func close() {
        engine.stop()
        engine.inputNode.removeTap(onBus: 0)
        slicer.clear() // a slice must not hold sounds from before and after a gap
    }

    /// Outside the main actor, for it is called on the engine's thread.
    private nonisolated static func tap(_ resampler: Resampler, _ slicer: Slicer) -> AVAudioNodeTapBlock {
        { buffer, _ in slicer.take(Result { try resampler.convert(buffer) }) }
    }

    private func reopen() {
        do { try open() } catch { slicer.take(.failure(error)) }
    }

    private func observe() {
        on(AVAudioSession.interruptionNotification) { microphone, info in
            guard let raw = info[AVAudioSessionInterruptionTypeKey] else { return }
            switch AVAudioSession.InterruptionType(rawValue: raw) {
            case .began: microphone.close()
            case .ended: microphone.reopen()
            default: break
            }
        }
        on(AVAudioSession.routeChangeNotification) { microphone, info in
            guard let raw = info[AVAudioSessionRouteChangeReasonKey] else { return }
            switch AVAudioSession.RouteChangeReason(rawValue: raw) {
            case .newDeviceAvailable, .oldDeviceUnavailable: microphone.reopen()
            default: break
            }
        }
        on(AVAudioSession.mediaServicesWereResetNotification) { microphone, _ in
            microphone.engine = AVAudioEngine() // the old one is dead
            microphone.reopen()
        }
    }

    private func on(_ name: Notification.Name, _ act: @escaping @MainActor @Sendable (Microphone, [String: UInt]) -> Void) {
        let observer = NotificationCenter.default.addObserver(forName: name, object: nil, queue: .main) { [weak self] note in
            // Only the numbers: a notification may not pass from actor to actor.
            let pairs = (note.userInfo ?? [:]).compactMap { key, value in
                if let key = key as? String, let value = value as? UInt { return (key, value) }
                return nil
            }
            let info = Dictionary(uniqueKeysWithValues: pairs)
            MainActor.assumeIsolated { if let self { act(self, info) } }
        }
        observers.append(observer)
    }
}

/// Buffers of the microphone to mono samples of the model's rate. Used by the engine's thread alone.
private final class Resampler: @unchecked Sendable {
    private let converter: AVAudioConverter

    init?(from format: AVAudioFormat) {
        let wanted = AVAudioFormat(
            commonFormat: .pcmFormatFloat32, sampleRate: Double(Embedder.sampleRate), channels: 1, interleaved: false)
        guard let wanted, let converter = AVAudioConverter(from: format, to: wanted) else { return nil }
        self.converter = converter
    }

    func convert(_ buffer: AVAudioPCMBuffer) throws -> [Float] {
        let wanted = converter.outputFormat
        let room = AVAudioFrameCount(Double(buffer.frameLength) * wanted.sampleRate / buffer.format.sampleRate) + 32
        guard let converted = AVAudioPCMBuffer(pcmFormat: wanted, frameCapacity: room) else { return [] }
        var given = false
        var failure: NSError?
        converter.convert(to: converted, error: &failure) { _, status in
            status.pointee = given ? .noDataNow : .haveData
            defer { given = true }
            return given ? nil : buffer
        }
        if let failure { throw failure }
        return Array(UnsafeBufferPointer(start: converted.floatChannelData![0], count: Int(converted.frameLength)))
    }
}

/// Samples to slices to embeddings, on a queue of its own.
private final class Slicer: @unchecked Sendable {
    private let queue = DispatchQueue(label: "audio2vec")
    private let embedder: Embedder
    private let onResult: @Sendable (Result<[Float], Error>) -> Void
    private var held: [Float] = [] // of the queue

    init(_ embedder: Embedder, _ onResult: @escaping @Sendable (Result<[Float], Error>) -> Void) {
        self.embedder = embedder
        self.onResult = onResult
    }

    func take(_ samples: Result<[Float], Error>) {
        queue.async { [self] in
            switch samples {
            case .failure(let error): onResult(.failure(error))
            case .success(let more): held += more
            }
            while held.count >= Embedder.slice {
                let slice = Array(held[..<Embedder.slice])
                onResult(Result { try embedder.embed(slice) })
                held.removeFirst(Embedder.hop)
            }
        }
    }

    func clear() {
        queue.async { [self] in held.removeAll() }
    }
}
