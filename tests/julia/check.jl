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
