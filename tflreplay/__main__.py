from tflreplay.cli import main

if __name__ == "__main__":  # not where a worker imports it
    main()
