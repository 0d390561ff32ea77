// The microphone, through everything that happens to it: the user's permission, calls and alarms (interruptions), headphones
// that come and go (routes), other rates (configurations), and restarts of the audio server. Needs the Info.plist key
// NSMicrophoneUsageDescription, and to listen in the background the value "audio" of UIBackgroundModes.
//
//     let embedder = try Embedder(modelPath: path)
//     let microphone = Microphone(sampleRate: Embedder.sampleRate, slice: Embedder.slice, hop: Embedder.hop) { slice in
//         let embedding = Result { try embedder.embed(slice.get()) } …
//     }
//     try await microphone.start()
import AVFoundation
import UIKit

@MainActor
final class Microphone {
    enum Failure: Error { case permissionDenied, noInput }

    private var engine: AVAudioEngine?
    private let sampleRate: Int
    private let slicer: Slicer
    private var observers: [NSObjectProtocol] = []
    private var wanted = false // from `start` to `stop`

    /// Every `hop` samples `onSlice` gets the last `slice` samples, on a queue of the microphone's own. A failure is what kept
    /// it from listening; it goes on by itself when the cause is over.
    init(sampleRate: Int, slice: Int, hop: Int, onSlice: @escaping @Sendable (Result<[Float], Error>) -> Void) {
        self.sampleRate = sampleRate
        slicer = Slicer(slice, hop, onSlice)
    }

    /// Asks for the permission if need be, and listens until `stop`.
    func start() async throws {
        wanted = true
        let allowed = await Self.isAllowed()
        guard wanted else { return } // the app has called `stop` meanwhile
        do {
            guard allowed else { throw Failure.permissionDenied }
            try open()
            if observers.isEmpty { observe() }
        } catch {
            stop()
            throw error
        }
    }

    func stop() {
        wanted = false
        observers.forEach { NotificationCenter.default.removeObserver($0) }
        observers = []
        close()
        try? AVAudioSession.sharedInstance().setActive(false, options: .notifyOthersOnDeactivation)
    }

    /// Outside the main actor, for the system answers on a thread of its own.
    private nonisolated static func isAllowed() async -> Bool {
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
        // Made anew each time, and after the session is set: an engine keeps the format of the input it was made with, and a
        // headset has another rate than the built-in microphone.
        let engine = AVAudioEngine()
        let format = engine.inputNode.outputFormat(forBus: 0)
        guard format.sampleRate > 0, format.channelCount > 0, let resampler = Resampler(from: format, to: sampleRate)
        else { throw Failure.noInput }
        engine.inputNode.installTap(onBus: 0, bufferSize: 4096, format: format, block: Self.tap(resampler, slicer))
        self.engine = engine
        try engine.start()
    }

    private func close() {
        engine?.inputNode.removeTap(onBus: 0)
        engine?.stop()
        engine = nil
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
        // Not every interruption has an end that is told: an app that was suspended finds out when it is seen again.
        on(UIApplication.didBecomeActiveNotification) { microphone, _ in
            if microphone.engine?.isRunning != true { microphone.reopen() }
        }
        on(AVAudioSession.routeChangeNotification) { microphone, info in
            guard let raw = info[AVAudioSessionRouteChangeReasonKey] else { return }
            switch AVAudioSession.RouteChangeReason(rawValue: raw) {
            case .newDeviceAvailable, .oldDeviceUnavailable: microphone.reopen()
            default: break
            }
        }
        // An engine stops by itself when the rate or the channels of its input change. This may have been an older one.
        on(.AVAudioEngineConfigurationChange) { microphone, _ in
            if let engine = microphone.engine, !engine.isRunning { microphone.reopen() }
        }
        on(AVAudioSession.mediaServicesWereResetNotification) { microphone, _ in microphone.reopen() }
    }

    private func on(_ name: Notification.Name, _ act: @escaping @MainActor @Sendable (Microphone, [String: UInt]) -> Void) {
        let observer = NotificationCenter.default.addObserver(forName: name, object: nil, queue: nil) { [weak self] note in
            // Only the numbers: a notification may not pass from actor to actor.
            var info: [String: UInt] = [:]
            for (key, value) in note.userInfo ?? [:] {
                if let key = key as? String, let value = value as? UInt { info[key] = value }
            }
            // Later: an engine must not be taken down while it waits for what it has told to be heard.
            Task { @MainActor [weak self, info] in
                if let self, self.wanted { act(self, info) }
            }
        }
        observers.append(observer)
    }
}

/// Buffers of the microphone to mono samples of the model's rate. Used by the engine's thread alone.
private final class Resampler: @unchecked Sendable {
    private let converter: AVAudioConverter

    init?(from format: AVAudioFormat, to sampleRate: Int) {
        let wanted = AVAudioFormat(
            commonFormat: .pcmFormatFloat32, sampleRate: Double(sampleRate), channels: 1, interleaved: false)
        guard let wanted, let converter = AVAudioConverter(from: format, to: wanted) else { return nil }
        self.converter = converter
    }

    func convert(_ buffer: AVAudioPCMBuffer) throws -> [Float] {
        let wanted = converter.outputFormat
        let room = AVAudioFrameCount(Double(buffer.frameLength) * wanted.sampleRate / buffer.format.sampleRate) + 32
        guard let converted = AVAudioPCMBuffer(pcmFormat: wanted, frameCapacity: room) else { return [] }
        // The block is @Sendable in newer SDKs, but is called before convert returns, on this thread.
        nonisolated(unsafe) var given = false
        nonisolated(unsafe) let buffer = buffer
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

/// Samples to slices, on a queue of its own.
private final class Slicer: @unchecked Sendable {
    private let queue = DispatchQueue(label: "audio2vec")
    private let slice: Int
    private let hop: Int
    private let onSlice: @Sendable (Result<[Float], Error>) -> Void
    private var held: [Float] = [] // of the queue

    init(_ slice: Int, _ hop: Int, _ onSlice: @escaping @Sendable (Result<[Float], Error>) -> Void) {
        self.slice = slice
        self.hop = hop
        self.onSlice = onSlice
    }

    func take(_ samples: Result<[Float], Error>) {
        queue.async { [self] in
            switch samples {
            case .failure(let error): onSlice(.failure(error))
            case .success(let more): held += more
            }
            while held.count >= slice {
                onSlice(.success(Array(held[..<slice])))
                held.removeFirst(hop)
            }
        }
    }

    func clear() {
        queue.async { [self] in held.removeAll() }
    }
}
