# What a system image must be able to do; the same lines at every target.
using LinearAlgebra
using Base.Threads

println(VERSION)
println(sum(Float64.(1:1000)), " ", norm(ones(100)), " ", det([1.0 2.0; 3.0 4.0]))
println(sort([3, 1, 2]), " ", join(split("a,b,c", ","), "-"), " ", big(2)^100)
println(match(r"(\d+)", "abc 42").match, " ", parse(Float64, "1.5e3"), " ", string(1 / 3))

# Exceptions, with the names of the functions in between.
inner() = throw(ArgumentError("wrong"))
outer() = inner()
trace = try
    outer()
catch error
    println(error)
    stacktrace(catch_backtrace())
end
println([frame.func for frame in trace][1:2])
println(any(frame -> frame.func == :exec_options, trace))
println(try
    parse(Int, "x")
catch error
    frames = stacktrace(catch_backtrace())
    (typeof(error), any(frame -> frame.func == Symbol("tryparse_internal"), frames))
end)
println(try
    f(x) = f(x + 1) + 1
    f(1)
catch error
    typeof(error)
end)

# The lines of calls that throw, of which the functions of the image have several.
throws(f) = try
    f()
catch
    [(frame.func, basename(String(frame.file)), frame.line) for frame in stacktrace(catch_backtrace())[1:2]]
end
foreach(text -> println(throws(() -> parse(Int, text))), ["x", "", "12x", "-", "0x", "99999999999999999999"])
println(throws(() -> hex2bytes("abc")), throws(() -> parse(Int8, "200")), throws(() -> [1, 2][3]))

# The collector, tasks and threads.
GC.gc()
channel = Channel{Int}(2)
task = @async foreach(i -> put!(channel, i^2), 1:5)
println([take!(channel) for _ in 1:5])
counts = zeros(Int, 100)
@threads for i in 1:100
    counts[i] = sum(length(string(j)) for j in 1:i)
end
println(sum(counts), " ", nthreads())
# A signal that Julia turns into an exception.
println(try
    div(1, zero(Int))
catch error
    typeof(error)
end)

# Signals that become exceptions: a write to what is read-only, and an interrupt.
import Mmap
println(mktemp() do path, io
    write(io, zeros(UInt8, 4096))
    flush(io)
    page = Mmap.mmap(open(path), Vector{UInt8}, 4096)
    try
        fill!(page, 0x01)
    catch error
        typeof(error)
    end
end)
ccall(:jl_exit_on_sigint, Cvoid, (Cint,), 0)
println(try
    ccall(:kill, Cint, (Cint, Cint), getpid(), 2)
    for i in 1:1000
        sleep(0.01)
    end
    "not interrupted"
catch error
    typeof(error)
end)

# The collector while two threads allocate, in code of the image: sorting, strings, dictionaries.
sums = zeros(Int, nthreads())
@threads for i in 1:nthreads()
    for round in 1:40
        words = Dict(string(j) => [j, -j] for j in 1:2000)
        sums[i] += sum(first, values(words)) + length(join(sort(collect(keys(words)))))
        round % 10 == 0 && i == 1 && GC.gc(false)
    end
end
GC.gc()
println(sums)
# A task that ends with an exception, with another exception while that is handled.
println(try
    wait(@async try
        parse(Int, "y")
    catch
        sqrt(-1.0)
    end)
catch error
    (typeof(error), [typeof(pair[1]) for pair in Base.catch_stack(error.task)])
end)

# A profile names the image's functions, with their files.
using Profile
work() = for i in 1:60
    sort(string.(rand(20000)))
end
work()
Profile.clear()
@profile work()
found = Set((frame.func, basename(String(frame.file))) for frames in values(Profile.getdict(Profile.fetch()))
            for frame in frames if frame.linfo !== nothing || frame.inlined)
println([function_file in found for function_file in [(:exec_options, "client.jl"), (:_start, "client.jl"), (:include, "Base.jl")]])
