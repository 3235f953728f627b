# A small package that has Base's methods compiled for types of its own: sorting, dictionaries, strings, loops over arrays.
module Stock

struct Article
    name::String
    place::Tuple{Int,Int}
end

struct Item
    article::Article
    count::Int
    price::Float64
end

Base.:(==)(a::Article, b::Article) = a.name == b.name && a.place == b.place
Base.hash(a::Article, seed::UInt) = hash(a.place, hash(a.name, seed))
Base.isless(a::Article, b::Article) = isless((a.name, a.place), (b.name, b.place))
Base.show(io::IO, a::Article) = print(io, a.name, '@', a.place[1], '/', a.place[2])

struct NotInStock <: Exception
    article::Article
end
Base.showerror(io::IO, e::NotInStock) = print(io, "no ", e.article, " in stock")

"One item a line: name, place, count and price."
function read_items(text::String)
    items = Item[]
    for line in split(text, '\n'; keepempty=false)
        name, row, shelf, count, price = split(line, ',')
        push!(items, Item(Article(String(name), (parse(Int, row), parse(Int, shelf))), parse(Int, count), parse(Float64, price)))
    end
    items
end

const Counts = Dict{Article,Int}

function counts(items::Vector{Item})
    found = Counts()
    for item in items
        found[item.article] = get(found, item.article, 0) + item.count
    end
    found
end

"What a shop with two kinds of goods writes down."
sample(days::Int) =
    join(["$(name)$(i % 7),$(i % 5),$(i % 3),$(i + 1),$(i * 1.25 + 0.5)\n" for i in 1:days for name in ["nut", "bolt"]])

take(found::Counts, article::Article) = haskey(found, article) ? found[article] : throw(NotInStock(article))

by_price(items::Vector{Item}) = sort(items; by=item -> (-item.price, item.article))
names(items::Vector{Item}) = join(map(item -> string(item.article), items), ", ")
cheap(items::Vector{Item}, limit::Float64) = filter(item -> item.price < limit, items)

prices(items::Vector{Item}) = Float32[item.price for item in items]
changes(count::Int) = fill(0.01f0, count)

"The message of a failure, as users see it."
function failure(found::Counts, article::Article)
    try
        take(found, article)
        ""
    catch error
        sprint(showerror, error)
    end
end

"What every price would be after a month of changes: a loop that gains from wide registers."
function forecast!(prices::Vector{Float32}, change::Vector{Float32}, days::Int)
    for _ in 1:days
        @inbounds @simd for i in eachindex(prices)
            prices[i] += change[i] * prices[i]
        end
    end
    prices
end

function worth(items::Vector{Item})
    sum = 0.0
    @inbounds @simd for i in eachindex(items)
        sum += items[i].count * items[i].price
    end
    sum
end

end
