//! What Zig has of its own: error unions, optionals, slices, comptime generics, vectors, tagged unions, hash maps
//! and sorting with an allocator, wrapping and saturating arithmetic, packed structures, defer.

const std = @import("std");

const Error = error{ Empty, TooLong };

const Shape = union(enum) {
    disc: f64,
    box: struct { w: f64, h: f64 },
    nothing,

    fn area(self: Shape) f64 {
        return switch (self) {
            .disc => |r| 3.0 * r * r,
            .box => |b| b.w * b.h,
            .nothing => 0,
        };
    }
};

const Packed = packed struct { low: u3, middle: i5, high: u24 };

export fn saxpy(y: [*]f32, x: [*]const f32, a: f32, n: usize) void {
    for (0..n) |i| y[i] = a * x[i] + y[i];
}

export fn checksum(bytes: [*]const u8, n: usize) u32 {
    var a: u32 = 1;
    var b: u32 = 0;
    for (bytes[0..n]) |byte| {
        a = (a +% byte) % 65521;
        b = (b +% a) % 65521;
    }
    return (b << 16) | a;
}

fn Matrix(comptime T: type, comptime n: usize) type {
    return struct {
        cell: [n][n]T,
        const Self = @This();

        fn times(self: *const Self, other: *const Self) Self {
            var product: Self = undefined;
            for (0..n) |i| for (0..n) |j| {
                var sum: T = 0;
                for (0..n) |k| sum += self.cell[i][k] * other.cell[k][j];
                product.cell[i][j] = sum;
            };
            return product;
        }
    };
}

fn mean(values: []const f64) Error!f64 {
    if (values.len == 0) return Error.Empty;
    if (values.len > 1000) return Error.TooLong;
    var sum: f64 = 0;
    for (values) |v| sum += v;
    return sum / @as(f64, @floatFromInt(values.len));
}

fn dot(comptime lanes: usize, a: []const f32, b: []const f32) f32 {
    const V = @Vector(lanes, f32);
    var sum: V = @splat(0);
    var i: usize = 0;
    while (i + lanes <= a.len) : (i += lanes) {
        const x: V = a[i..][0..lanes].*;
        const y: V = b[i..][0..lanes].*;
        sum += x * y;
    }
    return @reduce(.Add, sum);
}

pub fn main() !void {
    const print = std.debug.print;
    const allocator = std.heap.c_allocator;

    var x: [257]f32 = undefined;
    var y: [257]f32 = undefined;
    for (&x, &y, 0..) |*p, *q, i| {
        p.* = @floatFromInt(i % 19);
        q.* = @floatFromInt(i % 7);
    }
    saxpy(&y, &x, 2.5, 257);
    print("saxpy {d} {d}, dot {d} {d}\n", .{ y[18], y[256], dot(4, &x, &y), dot(8, &x, &y) });

    const text = "the quick brown fox jumps over the lazy dog and the fox runs";
    print("checksum {x}\n", .{checksum(text, text.len)});
    var counts = std.StringHashMap(u32).init(allocator);
    defer counts.deinit();
    var words = std.mem.tokenizeScalar(u8, text, ' ');
    while (words.next()) |word| {
        const entry = try counts.getOrPutValue(word, 0);
        entry.value_ptr.* += 1;
    }
    const names = try allocator.alloc([]const u8, counts.count());
    defer allocator.free(names);
    var keys = counts.keyIterator();
    for (names) |*name| name.* = keys.next().?.*;
    std.mem.sort([]const u8, names, {}, struct {
        fn less(_: void, a: []const u8, b: []const u8) bool {
            return std.mem.lessThan(u8, a, b);
        }
    }.less);
    for (names) |name| print("{s} {d} ", .{ name, counts.get(name).? });
    print("\n", .{});

    const M = Matrix(i64, 12);
    var m: M = undefined;
    for (0..12) |i| for (0..12) |j| {
        m.cell[i][j] = @intCast((i * 7 + j * 3) % 11);
    };
    const squared = m.times(&m);
    print("matrix {d} {d}\n", .{ squared.cell[3][5], squared.times(&squared).cell[11][0] });

    var total: f64 = 0;
    for ([_]Shape{ .{ .disc = 1.5 }, .{ .box = .{ .w = 2, .h = 4.5 } }, .nothing }) |shape| total += shape.area();
    print("areas {d}\n", .{total});
    if (mean(&.{})) |value| print("mean {d}\n", .{value}) else |err| print("mean {s}\n", .{@errorName(err)});
    print("mean {d}\n", .{try mean(&.{ 1, 2, 6 })});

    const p: Packed = .{ .low = 5, .middle = -3, .high = 0xabcdef };
    const bits: u32 = @bitCast(p);
    const saturated: u8 = @as(u8, 250) +| @as(u8, @intCast(x.len % 100));
    print("packed {x}, saturated {d}, shift {d}\n", .{ bits, saturated, @popCount(bits) });
}
