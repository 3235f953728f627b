// What a library of work.c, built with -DNUMBER=N, offers.
struct work {
    int number;
    // How often it was called since it was loaded.
    int (*calls)(void);
    long (*sum)(const int *, int);
    double (*mean)(const double *, int);
    // What its constructor computed.
    long (*at_start)(void);
};

typedef const struct work *work_entry(void);
