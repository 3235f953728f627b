# Code of its own that is compiled into a system image: what each workload takes is printed by `Numeric.run()`.
module Numeric

function total(a)
    s = zero(eltype(a))
    @inbounds @simd for i in eachindex(a)
        s += a[i]
    end
    s
end

function dot(a, b)
    s = zero(eltype(a))
    @inbounds @simd for i in eachindex(a)
        s += a[i] * b[i]
    end
    s
end

function axpy!(y, a, x)
    @inbounds for i in eachindex(y)
        y[i] += a * x[i]
    end
    y
end

# Without BLAS: columns of c from columns of a.
function multiply!(c, a, b)
    fill!(c, zero(eltype(c)))
    @inbounds for j in axes(b, 2), k in axes(a, 2)
        f = b[k, j]
        @simd for i in axes(a, 1)
            c[i, j] += a[i, k] * f
        end
    end
    c
end

function words(text)
    n = 0
    for word in split(text, ' ')
        n += length(word) + (uppercase(word) == word)
    end
    n
end

sorted(a) = sort!(copy(a))

# Best of several, in nanoseconds; what comes out is used, so that the work is not left out.
global used = 0.0
function best(f, n)
    shortest = typemax(UInt64)
    for _ in 1:n
        begun = time_ns()
        result = f()
        shortest = min(shortest, time_ns() - begun)
        global used = Float64(result)
    end
    shortest
end

# Repeats f on an array that changes.
function repeated(f, a)
    s = zero(eltype(a))
    for i in 1:200
        a[i] += one(eltype(a))
        s += f(a)
    end
    s
end

# The same numbers in every run.
function numbers(T, n)
    x = UInt64(88172645463325252)
    map(1:n) do _
        x ⊻= x << 13
        x ⊻= x >> 7
        x ⊻= x << 17
        T(x % 1000)
    end
end

function over(T)
    a, b = numbers(T, 4096), numbers(T, 4096)
    y = copy(b)
    m, k = reshape(numbers(T, 128 * 128), 128, 128), reshape(numbers(T, 128 * 128), 128, 128)
    c = similar(m)
    println("sum-", T, " ", best(() -> repeated(total, a), 30))
    println("dot-", T, " ", best(() -> repeated(a -> dot(a, b), a), 30))
    println("axpy-", T, " ", best(() -> repeated(a -> axpy!(y, T(2), a)[1], a), 30))
    println("matrix-", T, " ", best(() -> multiply!(c, m, k)[1], 30))
end

function run()
    over(Float64)
    over(Float32)
    over(Int)
    text = join(numbers(Int, 20000), " ")
    println("strings ", best(() -> words(text), 15))
    a = numbers(Int, 100000)
    println("sort-Int64 ", best(() -> sorted(a)[1], 15))
    f = numbers(Float64, 100000)
    println("sort-Float64 ", best(() -> sorted(f)[1], 15))
end

precompile(run, ())
precompile(over, (Type{Float64},))
precompile(over, (Type{Float32},))
precompile(over, (Type{Int},))
for T in (Float64, Float32, Int)
    precompile(total, (Vector{T},))
    precompile(dot, (Vector{T}, Vector{T}))
    precompile(axpy!, (Vector{T}, T, Vector{T}))
    precompile(multiply!, (Matrix{T}, Matrix{T}, Matrix{T}))
    precompile(numbers, (Type{T}, Int))
    precompile(sorted, (Vector{T},))
end
precompile(words, (String,))

end
